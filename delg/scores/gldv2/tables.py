"""Predictions of Google Landmarks v2 (CSV) as the competitions take and give them; solutions to judge by.

    id,landmarks            a prediction: "landmark score", blank: none
    id,images               a prediction: "id id ...", best first

Written are commas, LF and no quotes; read is all that a table may be (`formats.tables`).
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from data_prep.records import manifest
from data_prep.sources import gldv2_solutions
from data_prep.sources.formats.tables import read_records, writing_rows
from data_prep.sources.gldv2_solutions import COLUMNS, RECOGNITION, RETRIEVAL


class Solution(NamedTuple):
    """What is to be predicted."""

    task: str  # RECOGNITION or RETRIEVAL
    parts: dict[str, dict[str, frozenset]]  # usage -> test id -> landmarks, or index ids, str
    ignored: frozenset[str] | None  # test ids that are not judged; None: all that are in no part


class Cell(NamedTuple):
    """One prediction as it is written."""

    line: int  # from 1
    text: str  # without spaces at the ends; never blank


class Predictions(NamedTuple):
    """The cells of a table of predictions; rows without a prediction are in `empty`."""

    path: str
    task: str | None  # None: the column's name does not say
    cells: dict[str, Cell]  # by test id
    empty: dict[str, int]  # test id -> line


def read_solution(path: str, task: str | None = None) -> Solution:
    """A solution table, or the solution that data_prep.build_tfrecords put into dataset.json.

    Args:
        path: a CSV table, or dataset.json or its folder.
        task: the solution that is wanted; None: whichever the table is of.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no solution of the task.
    """
    if os.path.isdir(path) or os.path.basename(path) == manifest.FILE_NAME:
        return _stored_solution(path, task)
    stored = gldv2_solutions.read_solution(path, task)
    return Solution(stored.task, {usage: {image: frozenset(answer) for image, answer in part.items()}
                                  for usage, part in stored.parts.items() if part}, stored.ignored)


def _stored_solution(path: str, task: str | None) -> Solution:
    truth = manifest.load_manifest(path).ground_truth or {}
    tasks = [name for name in COLUMNS if name in truth and task in (None, name)]
    if len(tasks) != 1:
        raise ValueError(f"{path} must hold a {task or 'recognition or retrieval'} solution, and the column "
                         "of the predictions must say which is meant: landmarks or images. "
                         f"Received: {', '.join(truth) or 'a dataset built without one'}.")
    return Solution(tasks[0], {usage: {image: frozenset(answer) for image, answer in part.items()}
                               for usage, part in truth[tasks[0]].items() if part}, None)


def read_predictions(path: str) -> Predictions:
    """The cells of a table of predictions: those of the column `landmarks` or `images`, else of the second.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: naming file and line, if it is no such table or an id occurs twice.
    """
    rows = read_records(path, ["id"])
    _, header = next(rows)
    if len(header) < 2:
        raise ValueError(f"{path} must have a second column of predictions. Received: {', '.join(header)}.")
    tasks = [name for name, column in COLUMNS.items() if column in header]
    place = (header.index(COLUMNS[tasks[0]]) if len(tasks) == 1
             else next(number for number, name in enumerate(header) if name != "id"))
    of_id, lines = header.index("id"), {}
    cells, empty = {}, {}
    for line, row in rows:
        gldv2_solutions.check_once(path, lines, row[of_id], line)
        if row[place]:
            cells[row[of_id]] = Cell(line, row[place])
        else:
            empty[row[of_id]] = line
    return Predictions(path, tasks[0] if len(tasks) == 1 else None, cells, empty)


def parse_recognition(cell: Cell, path: str, like: int | str = 0) -> tuple[int | str, float]:
    """Landmark and score of a cell "landmark score"; names of landmarks may have blanks in them.

    Args:
        cell: of the table.
        path: of the table.
        like: a landmark of the solution: a name, or a number where all are numbers.

    Raises:
        ValueError: naming file and line, if the cell is anything else, or the score not finite.
    """
    words = cell.text.rsplit(maxsplit=1)
    try:
        score = float(words[1]) if len(words) == 2 else math.nan
    except ValueError:
        score = math.nan
    if not math.isfinite(score):
        raise ValueError(f"The prediction in {path}, line {cell.line}, must be \"landmark score\", the "
                         f"score a finite number. Received: {cell.text!r}.")
    return gldv2_solutions.landmark_of(words[0], path, cell.line, like), score


def write_recognition(path: str, predictions: Mapping[str, tuple[int | str, float] | None]) -> None:
    """Writes `id,landmarks`: test id -> (landmark, score), None: no prediction; in the order given."""
    _write(path, RECOGNITION, {image: f"{answer[0]} {answer[1]:.9g}" if answer else ""
                               for image, answer in predictions.items()})


def write_retrieval(path: str, rankings: Mapping[str, Sequence[str]]) -> None:
    """Writes `id,images`: test id -> index ids, best first; in the order given.

    Raises:
        ValueError: if an index id has white space, which would make it several.
    """
    cells = {image: " ".join(found) for image, found in rankings.items()}
    broken = next((image for image, cell in cells.items() if cell.split() != list(rankings[image])), None)
    if broken is not None:
        raise ValueError(f"Index ids in {path} must be words without white space. Received: others among the "
                         f"results of {broken!r}.")
    _write(path, RETRIEVAL, cells)


def _write(path: str, task: str, cells: Mapping[str, str]) -> None:
    with writing_rows(path, line_end="\n") as writer:
        writer.writerow(["id", COLUMNS[task]])
        writer.writerows(cells.items())
