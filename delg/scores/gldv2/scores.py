"""Evaluation by a Google Landmarks v2 solution: of predictions, or of a ranking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional

import numpy as np
import rich.table

from data_prep.sources.gldv2_solutions import RECOGNITION, RETRIEVAL, USAGES
from delg.scores.gldv2 import metrics, tables
from delg.scores.percent import percent, text
from delg.scores.ranking import read_ranking

NUM_RESULTS = 100  # results of a query that are judged
Scores = dict[str, Optional[float]]  # made at run time, so in the form that Python 3.9 knows


def score_predictions(solution_path: str, predictions_path: str) -> dict[str, Scores]:
    """Scores of recognition or retrieval, whichever the predictions are of, by part of the solution.

    Args:
        solution_path: CSV table, or a dataset.json that holds the solution.
        predictions_path: CSV table, as the competitions take it.

    Returns:
        Part (Public, Private) to name to score: percent, but for the places of the first correct result;
        None where nothing can be judged.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if a file is not what it should be, or a prediction is repeated, malformed or of an image
            the solution does not know.
    """
    table = tables.read_predictions(predictions_path)
    solution = tables.read_solution(solution_path, table.task)
    lines = {**table.empty, **{image: cell.line for image, cell in table.cells.items()}}
    _check_known(solution, solution_path, lines, predictions_path)
    like = next((landmark for truth in solution.parts.values() for shown in truth.values()
                 for landmark in shown), 0)
    result = {}
    for usage, truth in solution.parts.items():
        cells = {image: cell for image, cell in table.cells.items() if image in truth}
        if solution.task == RECOGNITION:
            result[usage] = _recognition({image: tables.parse_recognition(cell, table.path, like)
                                          for image, cell in cells.items()}, truth)
        else:
            result[usage] = _retrieval({image: cell.text.split() for image, cell in cells.items()}, truth)
    return result


def score_ranking(solution_path: str, ranking_path: str) -> dict[str, Any]:
    """Scores of retrieval of ranking.h5, before and after verification.

    Args:
        solution_path: CSV table, or a dataset.json that holds the solution.
        ranking_path: of delg.search_images, the queries being the test images.

    Returns:
        `{"global": S, "verified": S, "config": {...}}` with S as of `score_predictions`; `verified` is absent
        when nothing was verified.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if a file is not what it should be, or the solution does not know a query.
    """
    ranking = read_ranking(ranking_path)
    solution = tables.read_solution(solution_path, RETRIEVAL)
    _check_known(solution, solution_path, dict.fromkeys(ranking.query_ids), ranking_path)
    stages = {"global": ranking.global_ranks()}
    if ranking.num_verified:
        stages["verified"] = ranking.ranks
    result: dict[str, Any] = {}
    for stage, ranks in stages.items():
        found = {image: [ranking.index_ids[row] for row in rows]
                 for image, rows in zip(ranking.query_ids, ranks[:, :NUM_RESULTS])}
        result[stage] = {usage: _retrieval({image: found[image] for image in found if image in truth}, truth)
                         for usage, truth in solution.parts.items()}
    return {**result, "config": ranking.config}


def table(result: Mapping[str, Any]) -> rich.table.Table:
    """The scores of the functions above as a table for the terminal."""
    columns = {}
    for key, scores in result.items():
        if key in USAGES:
            columns[key] = scores
        elif key != "config":
            columns.update({f"{key}, {usage}": part for usage, part in scores.items()})
    rows = rich.table.Table("", *(rich.table.Column(name, justify="right") for name in columns))
    for name in next(iter(columns.values()), {}):
        rows.add_row(name, *(text(scores[name], 2) for scores in columns.values()))
    return rows


def _check_known(solution: tables.Solution, solution_path: str, lines: Mapping[str, int | None],
                 path: str) -> None:
    """Every image must be known to a table; a dataset.json knows only the judged: one will do."""
    known = set().union(*solution.parts.values(), solution.ignored or ())
    unknown = [image for image in lines if image not in known]
    if unknown and (solution.ignored is not None or len(unknown) == len(lines)):
        line = lines[unknown[0]]
        raise ValueError(f"Every id of {path} must be in {solution_path}. Received: {unknown[0]!r}"
                         f"{'' if line is None else f' in line {line}'} ({len(unknown)} of {len(lines)}).")


def _recognition(predictions: Mapping[str, tuple[int | str, float]],
                 truth: Mapping[str, frozenset]) -> Scores:
    return {"µAP": percent(metrics.micro_average_precision(predictions, truth)),
            "µAP, images with a landmark only": percent(metrics.micro_average_precision(
                predictions, truth, ignore_without_landmark=True)),
            "top-1 accuracy": percent(metrics.top_1_accuracy(predictions, truth))}


def _retrieval(rankings: Mapping[str, Sequence[str]], truth: Mapping[str, frozenset]) -> Scores:
    places = metrics.first_correct_places(rankings, truth, NUM_RESULTS)
    mean = metrics.mean_average_precision(rankings, truth, NUM_RESULTS)
    return {f"mAP@{NUM_RESULTS}": percent(mean),
            **{f"mP@{k}": percent(value)
               for k, value in metrics.mean_precisions(rankings, truth).items()},
            "mean place of the first correct": float(np.mean(places)),
            "median place of the first correct": float(np.median(places))}
