"""Tables of Google Landmarks v2 (CSV): solutions, and predictions as the competitions take and give them.

    id,landmarks,Usage      what each test image shows: "landmark landmark ...", blank: no landmark
    id,images,Usage         what each query should find: "id id ..."
    id,landmarks            a prediction: "landmark score", blank: none
    id,images               a prediction: "id id ...", best first

Usage is Public, Private or Ignored. Written are commas, LF and no quotes. Read are also semicolons or tabs,
CRLF, quotes, a byte order mark, blank rows, spaces at the ends, further columns, and landmarks such as 12.0.
"""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from data_prep.records import manifest
from data_prep.stage import files

RECOGNITION, RETRIEVAL = "recognition", "retrieval"
USAGES = ("Public", "Private")
_IGNORED = "Ignored"
_COLUMNS = {RECOGNITION: "landmarks", RETRIEVAL: "images"}
_DELIMITERS = ",;\t"
_LONGEST_FIELD = 1 << 28  # characters; a solution may list thousands of images


class Solution(NamedTuple):
    """What is to be predicted."""

    task: str  # RECOGNITION or RETRIEVAL
    parts: dict[str, dict[str, frozenset]]  # usage -> test id -> landmarks, int, or index ids, str
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
    rows = _read_rows(path)
    _, header = next(rows)
    tasks = [name for name, column in _COLUMNS.items() if column in header]
    if len(tasks) != 1 or "usage" not in header:
        raise ValueError(f"{path} must have the columns `id`, `Usage` and either `landmarks` or `images`. "
                         f"Received: {', '.join(header)}.")
    if task not in (None, *tasks):
        raise ValueError(f"{path} must be a {task} solution, with a column `{_COLUMNS[task]}`. "
                         f"Received: {', '.join(header)}.")
    places = [header.index(name) for name in ("id", _COLUMNS[tasks[0]], "usage")]
    parts: dict[str, dict[str, frozenset]] = {usage: {} for usage in USAGES}
    lines: dict[str, int] = {}
    ignored = set()
    for line, row in rows:
        image, text, usage = (row[place] for place in places)
        _check_once(path, lines, image, line)
        if usage == _IGNORED:
            ignored.add(image)
        elif usage in parts:
            parts[usage][image] = frozenset(
                (_landmark(word, path, line) for word in text.split()) if tasks[0] == RECOGNITION
                else text.split())
        else:
            raise ValueError(f"`Usage` in {path}, line {line}, must be {', '.join(USAGES)} or {_IGNORED}. "
                             f"Received: {usage!r}.")
    return Solution(tasks[0], {usage: part for usage, part in parts.items() if part}, frozenset(ignored))


def _stored_solution(path: str, task: str | None) -> Solution:
    truth = manifest.load_manifest(path).ground_truth or {}
    tasks = [name for name in _COLUMNS if name in truth and task in (None, name)]
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
    rows = _read_rows(path)
    _, header = next(rows)
    if len(header) < 2:
        raise ValueError(f"{path} must have a second column of predictions. Received: {', '.join(header)}.")
    tasks = [name for name, column in _COLUMNS.items() if column in header]
    place = (header.index(_COLUMNS[tasks[0]]) if len(tasks) == 1
             else next(number for number, name in enumerate(header) if name != "id"))
    of_id, lines = header.index("id"), {}
    cells, empty = {}, {}
    for line, row in rows:
        _check_once(path, lines, row[of_id], line)
        if row[place]:
            cells[row[of_id]] = Cell(line, row[place])
        else:
            empty[row[of_id]] = line
    return Predictions(path, tasks[0] if len(tasks) == 1 else None, cells, empty)


def parse_recognition(cell: Cell, path: str) -> tuple[int, float]:
    """Landmark and score of a cell "landmark score".

    Raises:
        ValueError: naming file and line, if the cell is anything else, or the score not finite.
    """
    words = cell.text.split()
    try:
        score = float(words[1]) if len(words) == 2 else math.nan
    except ValueError:
        score = math.nan
    if not math.isfinite(score):
        raise ValueError(f"The prediction in {path}, line {cell.line}, must be \"landmark score\", a whole "
                         f"number and a finite one. Received: {cell.text!r}.")
    return _landmark(words[0], path, cell.line), score


def _landmark(word: str, path: str, line: int) -> int:
    try:
        return int(word)
    except ValueError:
        pass
    try:
        if float(word).is_integer():  # tables with gaps often leave pandas with 12.0
            return int(float(word))
    except ValueError:
        pass
    raise ValueError(f"Landmarks in {path}, line {line}, must be whole numbers. Received: {word!r}.")


def _check_once(path: str, lines: dict[str, int], image: str, line: int) -> None:
    if image in lines:
        raise ValueError(f"Every id of {path} must occur once. Received: {image!r} in lines {lines[image]} "
                         f"and {line}.")
    lines[image] = line


def _read_rows(path: str) -> Iterator[tuple[int, list[str]]]:
    """The header in lower case, then the other rows, as wide as it; each with its line, from 1."""
    if not os.path.isfile(path):
        raise FileNotFoundError(f"No table at {path}.")
    csv.field_size_limit(_LONGEST_FIELD)
    with open(path, encoding="utf-8-sig", newline="") as file:
        try:
            first = next((line for line in file if line.strip()), "")
            delimiter = next((mark for mark in _DELIMITERS if mark in first), ",")
            file.seek(0)
            reader = csv.reader(file, delimiter=delimiter, skipinitialspace=True, strict=True)
            width = 0
            for row in reader:
                cells = [cell.strip() for cell in row]
                if not any(cells):
                    continue
                if not width:
                    cells = [cell.lower() for cell in cells]
                    while not cells[-1]:
                        cells.pop()
                    if "id" not in cells:
                        raise ValueError(f"{path} must start with a header that has a column `id`. "
                                         f"Received: {first.strip()[:80]!r}.")
                    width = len(cells)
                elif any(cells[width:]):
                    raise ValueError(f"Rows of {path} must have {width} cells as its header has. "
                                     f"Received: {len(cells)} in line {reader.line_num}.")
                yield reader.line_num, (cells + [""] * width)[:width]
            if not width:
                raise ValueError(f"{path} must be a CSV table. Received: no rows.")
        except (csv.Error, UnicodeDecodeError) as error:
            raise ValueError(f"{path} must be a CSV table of UTF-8 text. Received: {error}.") from error


def write_recognition(path: str, predictions: Mapping[str, tuple[int, float] | None]) -> None:
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
    with files.replacing(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["id", _COLUMNS[task]])
        writer.writerows(cells.items())
