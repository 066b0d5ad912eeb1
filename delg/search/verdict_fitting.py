"""A model of verdicts fitted on pairs whose answers are known: those that a search has verified."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from data_prep.stage import progress
from delg.features.ranked import refuse_other_images
from delg.features.reader import FeatureReader
from delg.geometry import verdict
from delg.geometry.ranked_pairs import RankedPairs
from delg.scores import evaluation
from delg.scores.ground_truth import GroundTruth, load_ground_truth
from delg.scores.ranking import Ranking, read_ranking
from delg.scores.reliability import reliability, threshold_of_precision
from delg.vectors import logistic_regression

_HITS = 20  # results of a query that are judged, of those verified; chosen, like those a person looks at
_FOLDS = 5  # groups held out in turn; chosen
_LEAST_SAME = 0.9  # probability of "same" at least; chosen
_SAME_PRECISION = 0.9  # of "same" on held-out groups; less would make its probability a lie
_UNSURE = 0.2  # least probability of "unsure"; chosen
_POSITIVES = 5  # of a query together weigh at most so much, as some landmarks have many photographs; chosen


def fit_model(evidence: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> dict[str, Any]:
    """The content of a verdict file, fitted on pairs.

    Weights come from all of them; the threshold of "same" and the figures from what models say of groups they
    have not seen.

    Args:
        evidence: float64, [N, len(COLUMNS)], rows of `pair_evidence`.
        labels: bool, [N]; whether a pair shows one thing.
        groups: int, [N]; the query of each pair.

    Raises:
        ValueError: if there are too few groups to hold some out, or but one label.
    """
    inputs, fold = verdict.inputs_of(evidence), _folds(groups)
    positives = np.bincount(groups, labels)[groups]
    counts = np.where(labels, np.minimum(1, _POSITIVES / np.maximum(positives, 1)), 1.0)
    said = np.empty(len(labels))
    for held_out in range(_FOLDS):
        kept = fold != held_out
        fitted = logistic_regression.fit(inputs[kept], labels[kept], sample_weights=counts[kept])
        said[~kept] = logistic_regression.probabilities(inputs[~kept], *fitted)
    weights, bias = logistic_regression.fit(inputs, labels, sample_weights=counts)
    same = max(_LEAST_SAME, threshold_of_precision(said, labels, _SAME_PRECISION))
    is_same, curve = said >= same, reliability(said, labels)
    return {"weights": dict(zip(verdict.INPUTS, weights.round(4).tolist())), "bias": round(bias, 4),
            "same": round(same, 4), "unsure": _UNSURE,
            "fitted_on": {"num_pairs": len(labels), "num_positive": int(labels.sum()),
                          "num_queries": len(np.unique(groups)),
                          "calibration_error": round(curve.expected_calibration_error, 4),
                          "precision_of_same": _mean(labels[is_same]),
                          "recall_of_same": _mean(is_same[labels])}}


def _mean(flags: np.ndarray) -> float | None:
    return round(float(flags.mean()), 4) if flags.size else None


def _folds(groups: np.ndarray) -> np.ndarray:
    """int [N]: which fold each pair is held out in; a group is held out whole."""
    found, places = np.unique(groups, return_inverse=True)
    if len(found) < 2 * _FOLDS:
        raise ValueError(f"A verdict must be fitted on at least {2 * _FOLDS} queries with results. "
                         f"Received: {len(found)}.")
    return np.random.default_rng(0).permutation(len(found))[places] % _FOLDS


def fit(ranking_path: str, ground_truth_path: str, query_features: str,
        index_features: str) -> dict[str, Any]:
    """The content of a verdict file, fitted on the verified results of queries whose answers are known.

    Pairs of a ranking that keeps no matches, as older ones, are verified again. Junk images are left out.

    Args:
        ranking_path: ranking.h5, verified.
        ground_truth_path: its answers: .mat, .pkl or .json of revisited form, or dataset.json.
        query_features: glob or folder of the feature shards the ranking was made from.
        index_features: so of the index images.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if nothing was verified, the features are not those of the ranking, or the answers are
            too few.
    """
    ranking, truth = read_ranking(ranking_path), load_ground_truth(ground_truth_path)
    if not ranking.num_verified:
        raise ValueError(f"`ranking` must be verified. Received: {ranking_path!r}.")
    truth = evaluation.align(truth, ranking, ranking_path, ground_truth_path)
    with FeatureReader(query_features) as queries, FeatureReader(index_features) as images:
        refuse_other_images(ranking, queries, images)
        found = list(progress.track(_query_pairs(ranking, truth, RankedPairs(ranking, queries, images)),
                                    "Judging", len(ranking.query_ids), "queries"))
    groups = np.repeat(np.arange(len(found)), [len(labels) for _, labels in found])
    fitted = fit_model(*(np.concatenate(parts) for parts in zip(*found)), groups)
    fitted["fitted_on"].update(ranking=ranking_path, ground_truth=ground_truth_path,
                               fingerprint=ranking.config["fingerprint"])
    return fitted


def _query_pairs(ranking: Ranking, truth: GroundTruth,
                 pairs: RankedPairs) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Evidence [v, len(verdict.COLUMNS)] and labels [v] of one query's verified results after the other."""
    for query in range(len(ranking.query_ids)):
        columns = [column for column in range(ranking.num_verified)
                   if ranking.ranks[query, column] not in truth.junk[query]][:_HITS]
        found = ranking.ranks[query, columns]
        yield (pairs.evidence(query, columns),
               np.isin(found, np.concatenate([truth.easy[query], truth.hard[query]])))
