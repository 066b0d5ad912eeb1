"""Evaluation of a ranking under the easy, medium and hard protocols, before and after verification."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import rich.table

from delg.scores import metrics
from delg.scores.evidence import orders, summed_name
from delg.scores.ground_truth import GroundTruth, load_ground_truth
from delg.scores.percent import mean_and_interval, percent, text
from delg.scores.ranking import Ranking, read_ranking

_NO_STAGES = ("before", "gain", "num_queries", "config")  # of metrics.json
_DIGITS = 4  # of percent


def evaluate(ranking_path: str, ground_truth_path: str) -> dict[str, Any]:
    """The content of metrics.json; percent, None where no query has positives.

    `{"global": P, "verified": P, "before": "global", "gain": G, "num_queries": Q, "config": {...}}`, and P
    of each kind of evidence that the ranking has, alone ("asmk", "geometry") and summed ("global+asmk");
    `before` names the one that results were ordered by before verification. P maps easy, medium and hard to
    `{"mAP", "mAP_interval", "mP@1", "mP@5", "mP@10", "num_queries"}`; G maps them to
    `{"mAP", "mAP_interval"}` of the difference verification makes on the same queries.
    `geometry`, `verified` and `gain` are absent when nothing was verified.

    Args:
        ranking_path: ranking.h5.
        ground_truth_path: .mat, .pkl or .json of revisited form, or dataset.json.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if a file is broken, or ranking and ground truth are not of the same images.
    """
    ranking = read_ranking(ranking_path)
    truth = load_ground_truth(ground_truth_path)

    def score(ranks: np.ndarray) -> dict[str, metrics.ProtocolScores]:
        return score_ranks(ranking, truth, ranks, ranking_path, ground_truth_path)

    result = {name: _summary(score(ranks)) for name, ranks in orders(ranking).items()}
    result["before"] = summed_name(ranking)
    if ranking.num_verified:
        before, after = score(ranking.global_ranks()), score(ranking.ranks)
        result["verified"] = _summary(after)
        result["gain"] = {
            protocol: mean_and_interval("mAP", after[protocol].average_precision
                                        - before[protocol].average_precision, _DIGITS)
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
    for kind, needed, present in (("query", truth.query_ids, ranking.query_ids),
                                  ("index", truth.index_ids, ranking.index_ids)):
        _require_all(needed, present, f"{ranking_path} must hold every {kind} image of {ground_truth_path}")
    aligned = align(truth, ranking, ranking_path, ground_truth_path)
    queries = {image: row for row, image in enumerate(ranking.query_ids)}
    order = [queries[image] for image in truth.query_ids]
    return metrics.score_queries(ranks[order], len(ranking.index_ids), *(
        [sets[row] for row in order] for sets in (aligned.easy, aligned.hard, aligned.junk)))


def align(truth: GroundTruth, ranking: Ranking, ranking_path: str, ground_truth_path: str) -> GroundTruth:
    """The ground truth in the rows of a ranking: queries and index images in the ranking's order.

    Queries that the ranking lacks go, and index images that no query is judged by.

    Args:
        ranking_path: named in errors, as `ground_truth_path` is.

    Raises:
        ValueError: if the ground truth does not name a query of the ranking, or the ranking lacks an index
            image that is judged.
    """
    _require_all(ranking.query_ids, truth.query_ids,
                 f"{ground_truth_path} must know every query of {ranking_path}")
    query_rows = {image: row for row, image in enumerate(truth.query_ids)}
    rows = [query_rows[image] for image in ranking.query_ids]
    sets = [[levels[row] for row in rows] for levels in (truth.easy, truth.hard, truth.junk)]
    judged = np.unique(np.concatenate([[], *sets[0], *sets[1], *sets[2]]).astype(np.int64))
    index_rows = {image: row for row, image in enumerate(ranking.index_ids)}
    _require_all([truth.index_ids[row] for row in judged], index_rows,
                 f"{ranking_path} must hold every index image judged by {ground_truth_path}")
    row_of = np.array([index_rows.get(image, -1) for image in truth.index_ids], np.int64)
    easy, hard, junk = ([row_of[images] for images in levels] for levels in sets)
    return GroundTruth(list(ranking.index_ids), list(ranking.query_ids), easy, hard, junk,
                       np.asarray(truth.boxes)[rows])


def _require_all(needed: Sequence[str], present: Collection[str], rule: str) -> None:
    known = set(present)
    missing = [image for image in needed if image not in known]
    if missing:
        raise ValueError(f"{rule}. Missing: {', '.join(missing[:3])}{', ...' if len(missing) > 3 else ''} "
                         f"({len(missing)} of {len(needed)}).")


def _summary(scores: dict[str, metrics.ProtocolScores]) -> dict[str, Any]:
    return {protocol: {**mean_and_interval("mAP", score.average_precision, _DIGITS),
                       **{f"mP@{k}": percent(metrics.mean_over_queries(values), _DIGITS)
                          for k, values in score.precision.items()},
                       "num_queries": int(np.count_nonzero(~np.isnan(score.average_precision)))}
            for protocol, score in scores.items()}


def stages(result: dict[str, Any]) -> list[str]:
    """What was scored in a result of `evaluate`: evidence, and the final order."""
    return [name for name in result if name not in _NO_STAGES]


def table(result: dict[str, Any]) -> rich.table.Table:
    """The scores of `evaluate` as a table for the terminal."""
    columns = rich.table.Table(title=f"{result['num_queries']} queries, percent, 95 % bootstrap interval")
    columns.add_column("")
    columns.add_column("protocol")
    for name in ("mAP", "interval", *(f"mP@{k}" for k in metrics.CUTOFFS)):
        columns.add_column(name, justify="right")
    for stage in stages(result):
        for protocol, row in result[stage].items():
            columns.add_row(stage if protocol == metrics.PROTOCOLS[0] else "", protocol, text(row["mAP"]),
                            " to ".join(map(text, row["mAP_interval"])),
                            *(text(row[f"mP@{k}"]) for k in metrics.CUTOFFS),
                            end_section=protocol == metrics.PROTOCOLS[-1])
    for protocol, row in result.get("gain", {}).items():
        gain, *interval = (text(value, sign="+") for value in (row["mAP"], *row["mAP_interval"]))
        columns.add_row("gain" if protocol == metrics.PROTOCOLS[0] else "", protocol, gain,
                        " to ".join(interval))
    return columns
