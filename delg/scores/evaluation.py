"""From a ranking and a ground truth to the table of scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import rich.table

from delg.scores import metrics
from delg.scores.ground_truth import GroundTruth, load_ground_truth
from delg.scores.ranking import Ranking, read_ranking

STAGES = ("global", "verified")


def evaluate(ranking_path: str, ground_truth_path: str) -> dict[str, Any]:
    """The content of metrics.json; percent, None where no query has positives.

    `{"global": P, "verified": P, "gain": G, "num_queries": Q, "config": {...}}`. P maps easy, medium and hard
    to `{"mAP", "mAP_interval", "mP@1", "mP@5", "mP@10", "num_queries"}`; G maps them to
    `{"mAP", "mAP_interval"}` of the difference verification makes on the same queries. `verified` and
    `gain` are absent when nothing was verified.

    Args:
        ranking_path: ranking.h5.
        ground_truth_path: .mat, .pkl or .json of revisited form, or dataset.json.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if a file is broken, or ranking and ground truth are not of the same images.
    """
    ranking = read_ranking(ranking_path)
    truth = load_ground_truth(ground_truth_path)
    before = score_ranks(ranking, truth, ranking.global_ranks(), ranking_path, ground_truth_path)
    result = {"global": _summary(before)}
    if ranking.num_verified:
        after = score_ranks(ranking, truth, ranking.ranks, ranking_path, ground_truth_path)
        result["verified"] = _summary(after)
        result["gain"] = {protocol: _mean_and_interval(after[protocol].average_precision
                                                       - before[protocol].average_precision)
                          for protocol in metrics.PROTOCOLS}
    return {**result, "num_queries": len(truth.query_ids), "config": ranking.config}


def score_ranks(ranking: Ranking, truth: GroundTruth, ranks: np.ndarray, ranking_path: str,
                ground_truth_path: str) -> dict[str, metrics.ProtocolScores]:
    """Scores of the queries of the ground truth; index images it does not know are distractors.

    Args:
        ranking: whose queries and index images `ranks` are of.
        truth: what each query should find.
        ranks: int, [Q, K]; rows of the index, best first, a row for each query of `ranking`.
        ranking_path: named in errors, as `ground_truth_path` is.

    Raises:
        ValueError: if ranking and ground truth are not of the same queries, or index images are missing.
    """
    queries = {image: row for row, image in enumerate(ranking.query_ids)}
    images = {image: row for row, image in enumerate(ranking.index_ids)}
    for kind, needed, present in (("query", truth.query_ids, queries), ("index", truth.index_ids, images)):
        missing = [image for image in needed if image not in present]
        if missing:
            raise ValueError(f"{ranking_path} must hold every {kind} image of {ground_truth_path}. "
                             f"Missing: {', '.join(missing[:3])}{', ...' if len(missing) > 3 else ''} "
                             f"({len(missing)} of {len(needed)}).")
    unknown = [image for image in ranking.query_ids if image not in set(truth.query_ids)]
    if unknown:
        raise ValueError(f"{ground_truth_path} must know every query of {ranking_path}. "
                         f"Missing: {', '.join(unknown[:3])} ({len(unknown)} of {len(queries)}).")
    row_of = np.array([images[image] for image in truth.index_ids], np.int64)
    order = [queries[image] for image in truth.query_ids]
    return metrics.score_queries(ranks[order], len(images), *(
        [row_of[rows] for rows in sets] for sets in (truth.easy, truth.hard, truth.junk)))


def _percent(value: float) -> float | None:
    return None if np.isnan(value) else round(100 * value, 4)


def _mean_and_interval(values: np.ndarray) -> dict[str, Any]:
    return {"mAP": _percent(metrics.mean_over_queries(values)),
            "mAP_interval": [_percent(bound) for bound in metrics.bootstrap_interval(values)]}


def _summary(scores: dict[str, metrics.ProtocolScores]) -> dict[str, Any]:
    return {protocol: {**_mean_and_interval(score.average_precision),
                       **{f"mP@{k}": _percent(metrics.mean_over_queries(values))
                          for k, values in score.precision.items()},
                       "num_queries": int(np.count_nonzero(~np.isnan(score.average_precision)))}
            for protocol, score in scores.items()}


def table(result: dict[str, Any]) -> rich.table.Table:
    """The scores of `evaluate` as a table for the terminal."""
    columns = rich.table.Table(title=f"{result['num_queries']} queries, percent, 95 % bootstrap interval")
    columns.add_column("")
    columns.add_column("protocol")
    for name in ("mAP", "interval", *(f"mP@{k}" for k in metrics.CUTOFFS)):
        columns.add_column(name, justify="right")
    for stage in STAGES:
        for protocol, row in result.get(stage, {}).items():
            columns.add_row(stage if protocol == metrics.PROTOCOLS[0] else "", protocol, _text(row["mAP"]),
                            " to ".join(map(_text, row["mAP_interval"])),
                            *(_text(row[f"mP@{k}"]) for k in metrics.CUTOFFS),
                            end_section=protocol == metrics.PROTOCOLS[-1])
    for protocol, row in result.get("gain", {}).items():
        columns.add_row("gain" if protocol == metrics.PROTOCOLS[0] else "", protocol, _text(row["mAP"], "+"),
                        " to ".join(_text(bound, "+") for bound in row["mAP_interval"]))
    return columns


def _text(value: float | None, sign: str = "") -> str:
    return "-" if value is None else f"{value:{sign}.1f}"
