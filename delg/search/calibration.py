"""How much verification may change a ranking, chosen on queries whose answers are known.

A calibration file is JSON: `min_inliers` (0: found by the search), `expand_query` and `inlier_weight`, as
chosen; `validation`, how every candidate did, and on what; `settings` of the search and `features` of the
extraction that it holds for.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from absl import logging

from data_prep.stage.files import read_checked_json
from data_prep.stage.stored_settings import defaults_of, differences, refuse_unknown
from delg.features.ranked import refuse_other_images
from delg.features.reader import FeatureReader
from delg.index.files import read_description
from delg.index.kind import ranked_by
from delg.scores import evaluation, metrics
from delg.scores.ground_truth import load_ground_truth
from delg.scores.ranking import Ranking, read_ranking, summed
from delg.search import verified_order
from delg.settings.extraction import ExtractConfig
from delg.settings.kinds import GLOBAL_DESCRIPTORS, VERIFIERS
from delg.settings.search import SearchConfig

CHOSEN_SETTINGS = ("min_inliers", "expand_query", "inlier_weight", "local_weight", "neighbor_weight")
_FACTORS = {"local_weight": (1, 0.5, 2, 0), "neighbor_weight": (1, 0)}  # that weights of a sum are tried by
PROTOCOLS = ("medium", "hard")
_FEW_QUERIES = 20  # fewer hardly tell candidates apart
# What a search may set otherwise than the validation did. The order is always that of similarity and inliers.
_FREE_SETTINGS = ("num_neighbors", "num_rerank", "final_order", "seed", *CHOSEN_SETTINGS)


def candidates(min_inliers: int, calibrated: bool, may_expand: bool = True,
               weights: Mapping[str, float] | None = None) -> list[dict[str, Any]]:
    """What is tried, in order of preference; chosen.

    The first changes nothing, as if nothing were verified; then the default comes, and what is less like it,
    at last without what is summed, and the similarity alone. The floor is as it was, or half of it, what
    chance brings.

    Args:
        min_inliers: the floor of the validation.
        calibrated: whether the search found it; then 0 stands for it, so that the next one finds its own.
        may_expand: whether queries can be expanded; not where an index ranks by local features.
        weights: of the summands beside the similarity, as they were: local_weight, neighbor_weight; None:
            there are none.
    """
    weights = weights or {}
    sums = [dict(zip(weights, scaled)) for scaled in itertools.product(
        *([factor * weight for factor in _FACTORS[name]] for name, weight in weights.items()))]
    tried = [{"min_inliers": floor, "expand_query": expand_query, "inlier_weight": weight, **summands}
             for summands in sums
             for floor in (0 if calibrated else min_inliers, max(1, min_inliers // 2))
             for expand_query in (False, True)[:1 + may_expand] for weight in (0.2, 0.1, 0.5, 0.05, 1.0)]
    unchanged = {**tried[0], "inlier_weight": 0.0}
    return [unchanged, *tried, *([{**unchanged, **dict.fromkeys(weights, 0.0)}] if weights else [])]


def fit(ranking_path: str, ground_truth_path: str, query_features: str,
        index_features: str) -> dict[str, Any]:
    """The content of a calibration file: the candidate to search with, and how all of them did.

    Nothing is verified again: each candidate is another order of the same inliers.

    Args:
        ranking_path: ranking.h5 of the validation queries, verified.
        ground_truth_path: their answers: .mat, .pkl or .json of revisited form, or dataset.json.
        query_features: glob or folder of the feature shards the ranking was made from.
        index_features: so of the index images.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if nothing was verified, or by a recipe with an order of its own, which has no weight; if
            the features are not those of the ranking; or if fewer than two queries have answers.
    """
    ranking, truth = read_ranking(ranking_path), load_ground_truth(ground_truth_path)
    if not ranking.num_verified or VERIFIERS[ranking.config["verifier"]].has_own_order:
        fixed = " or ".join(name for name, verifier in VERIFIERS.items() if verifier.has_own_order)
        raise ValueError(f"`ranking` must be verified, by another verifier than {fixed}. Received: "
                         f"{ranking_path!r} with verifier={ranking.config['verifier']!r}.")
    with FeatureReader(query_features) as queries, FeatureReader(index_features) as images:
        query_descriptors = _descriptors(queries, ranking.query_ids, ranking, "query_features")
        index_descriptors = _descriptors(images, ranking.index_ids, ranking, "index_features")
        features = images.config
        refuse_other_images(ranking, queries, images)
    by = ranking.config.get("ranked_by", GLOBAL_DESCRIPTORS)
    config, has_local = ranking.search_config, ranking.local_similarities is not None
    weights = {name: getattr(config, name) for name, array in (
        ("local_weight", ranking.local_similarities), ("neighbor_weight", ranking.overlaps))
        if array is not None and config.counts("global")}
    tried = candidates(ranking.config["min_inliers"], ranking.config["min_inliers_calibrated"],
                       by == GLOBAL_DESCRIPTORS and config.counts("global"), weights)
    average_precision = []
    for ranks in _orders(ranking, tried, query_descriptors, index_descriptors):
        scores = evaluation.score_ranks(ranking, truth, ranks, ranking_path, ground_truth_path)
        average_precision.append([scores[protocol].average_precision for protocol in PROTOCOLS])
    table = np.array(average_precision)  # [candidates, protocols, queries]
    answered = ~np.isnan(table[0, 0])  # medium is every query's that has positives
    if np.count_nonzero(answered) < 2:
        raise ValueError("A calibration takes at least two queries with answers. "
                         f"Received: {np.count_nonzero(answered)} in {ground_truth_path}.")
    if np.count_nonzero(answered) < _FEW_QUERIES:
        logging.warning("Only %d queries to choose on.", np.count_nonzero(answered))
    chosen = choose(np.nanmean(table[:, :, answered], axis=1))
    rows = [{**candidate, **{protocol: _percent(values)[0] for protocol, values in zip(PROTOCOLS, scores)}}
            for candidate, scores in zip(tried, table)]
    gains = {protocol: _percent(values) for protocol, values in zip(PROTOCOLS, table[chosen] - table[0])}
    return {**tried[chosen],
            "validation": {"num_queries": int(np.count_nonzero(answered)), "candidates": rows,
                           "gain": {protocol: {"mAP": gain[0], "mAP_interval": gain[1:]}
                                    for protocol, gain in gains.items()},
                           "min_inliers": ranking.config["min_inliers"], "ranking": ranking_path,
                           "ground_truth": ground_truth_path},
            "settings": {**_settings(ranking.config["requested"]), "ranked_by": by, "sums_local": has_local,
                         "sums_learnt": ranking.learnt_similarities is not None,
                         "query_views": bool(ranking.config.get("query_view_features"))},
            "features": features}


def choose(scores: np.ndarray) -> int:
    """The candidate to take, of candidates in order of preference, the first of which changes nothing.

    The first, unless the best is better by more than two standard errors of the differences, query by query;
    then, of those not worse than the first, the one first named that is within one of the best.
    Source: for the latter the one-standard-error rule, Breiman et al., "Classification and Regression Trees",
    1984, 3.4.3; two, about a 95 % interval that lies above 0, are chosen.

    Args:
        scores: float, [num_candidates, Q], Q at least 2; larger is better.
    """
    means = scores.mean(axis=1)
    shortfalls = scores[means.argmax()] - scores
    errors = shortfalls.std(axis=1, ddof=1) / np.sqrt(scores.shape[1])
    allowed = (shortfalls.mean(axis=1) <= errors) & (means >= means[0])
    allowed[0] = shortfalls[0].mean() <= 2 * errors[0]
    return int(np.flatnonzero(allowed)[0])


def apply(calibration: str, config: SearchConfig, index_features: str, index_dir: str,
          local_index_dir: str = "", reranker_model: str = "", query_views: bool = False) -> SearchConfig:
    """The settings of a search with what a calibration file has chosen.

    Args:
        calibration: path of the file.
        config: settings; what is chosen must be left at its default.
        index_features: glob or folder of the index images' feature shards.
        index_dir: written by delg.build_index, to be searched.
        local_index_dir: so of the index of local features beside it; empty: there is none.
        reranker_model: SavedModel of a learnt re-ranker; empty: there is none.
        query_views: whether views of the queries are given.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if the file is no calibration, was made for another model or other settings, or what it
            chooses is set by hand.
    """
    what = "a file of delg.fit_verification"
    content = read_checked_json(calibration, what)
    try:
        chosen = {name: content[name] for name in CHOSEN_SETTINGS if name in content}
        settings, features = dict(content["settings"]), dict(content["features"])
        if not chosen:
            raise KeyError(*CHOSEN_SETTINGS)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{calibration} must be {what}. Received: {error!r}.") from error
    refuse_unknown((*CHOSEN_SETTINGS, "validation", "settings", "features"), content, calibration)
    defaults = SearchConfig()
    for name in ("final_order", *chosen):
        if getattr(config, name) != getattr(defaults, name):
            raise ValueError(f"`{name}` must be left alone where `calibration` is given. "
                             f"Received: {name}={getattr(config, name)!r}.")
    with FeatureReader(index_features) as images:
        given = {**_settings(dataclasses.asdict(config)), **images.config,
                 "ranked_by": ranked_by(read_description(index_dir)["type"]),
                 "sums_local": bool(local_index_dir), "sums_learnt": bool(reranker_model),
                 "query_views": query_views}
    wanted = {"ranked_by": GLOBAL_DESCRIPTORS, "sums_local": False, "sums_learnt": False,
              "query_views": False, **settings, **features}
    for name in differences(given, wanted, {**defaults_of(SearchConfig), **defaults_of(ExtractConfig)}):
        raise ValueError("`calibration` must be of the same model and settings. Received: "
                         f"{calibration!r} for {name}={wanted.get(name)!r}, {given.get(name)!r} here.")
    return dataclasses.replace(config, **chosen)


def _settings(config: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name not in _FREE_SETTINGS}


def _descriptors(features: FeatureReader, ids: list[str], ranking: Ranking, flag: str) -> np.ndarray:
    """float32 [N, D]: the global descriptors of these images."""
    missing = [image_id for image_id in ids if image_id not in features.row_of]
    fingerprint = features.config.get("fingerprint", "")
    if missing or fingerprint != ranking.config["fingerprint"]:
        raise ValueError(f"`{flag}` must be those that `ranking` was made from, of model "
                         f"{ranking.config['fingerprint']!r}. Received: model {fingerprint!r}, "
                         f"{len(missing)} of {len(ids)} images missing.")
    return features.global_descriptors[[features.row_of[image_id] for image_id in ids]]


def _orders(ranking: Ranking, tried: list[dict[str, Any]], queries: np.ndarray,
            images: np.ndarray) -> Iterator[np.ndarray]:
    """int32 [Q, K] ranks of one candidate after the other."""
    order = ranking.global_columns()  # whose first are verified, whatever a candidate would have verified
    ranks, num_inliers, *summands = (
        array if array is None else np.take_along_axis(array, order, 1) for array in
        (ranking.ranks, ranking.num_inliers, ranking.similarities, ranking.local_similarities,
         ranking.overlaps, ranking.learnt_similarities))
    floor = ranking.config["min_inliers"]
    for candidate in tried:
        config = dataclasses.replace(ranking.search_config, final_order="fused",
                                     **{**candidate, "min_inliers": candidate["min_inliers"] or floor})
        scores = summed(config, *summands)
        orders = [verified_order.verified_order(scores[query], num_inliers[query], ranking.num_verified,
                                                config, descriptor, images[ranks[query]])
                  for query, descriptor in enumerate(queries)]
        yield np.take_along_axis(ranks, np.array(orders), 1)


def _percent(values: np.ndarray) -> tuple[float, float, float]:
    """Mean and bootstrap interval, in percent."""
    return tuple(round(100 * value, 2)
                 for value in (metrics.mean_over_queries(values), *metrics.bootstrap_interval(values)))
