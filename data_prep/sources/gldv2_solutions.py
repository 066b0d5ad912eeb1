"""Solutions of Google Landmarks v2 (CSV), read as generously as the competitions' own tables are written.

    id,landmarks,Usage      what each test image shows: "landmark landmark ...", blank: no landmark
    id,images,Usage         what each query should find: "id id ..."

Usage is Public, Private or Ignored. Read are also semicolons or tabs, CRLF, quotes, a byte order mark, blank
rows, spaces at the ends, further columns, and landmarks such as 12.0.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from typing import NamedTuple

RECOGNITION, RETRIEVAL = "recognition", "retrieval"
USAGES = ("Public", "Private")
COLUMNS = {RECOGNITION: "landmarks", RETRIEVAL: "images"}
_IGNORED = "Ignored"
_DELIMITERS = ",;\t"
_LONGEST_FIELD = 1 << 28  # characters; a solution may list thousands of images


class Solution(NamedTuple):
    """What is to be predicted, as a table says it."""

    task: str  # RECOGNITION or RETRIEVAL
    parts: dict[str, dict[str, list]]  # usage -> test id -> landmarks, int, or index ids, str; all USAGES
    ignored: frozenset[str]  # test ids that are not judged


def read_solution(path: str, task: str | None = None) -> Solution:
    """A solution table.

    Args:
        path: of the table.
        task: the solution that is wanted; None: whichever the table is of.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no solution of the task.
    """
    rows = read_rows(path)
    _, header = next(rows)
    tasks = [name for name, column in COLUMNS.items() if column in header]
    if len(tasks) != 1 or "usage" not in header:
        raise ValueError(f"{path} must have the columns `id`, `Usage` and either `landmarks` or `images`. "
                         f"Received: {', '.join(header)}.")
    if task not in (None, *tasks):
        raise ValueError(f"{path} must be a {task} solution, with a column `{COLUMNS[task]}`. "
                         f"Received: {', '.join(header)}.")
    places = [header.index(name) for name in ("id", COLUMNS[tasks[0]], "usage")]
    parts: dict[str, dict[str, list]] = {usage: {} for usage in USAGES}
    lines: dict[str, int] = {}
    ignored = set()
    for line, row in rows:
        image, text, usage = (row[place] for place in places)
        check_once(path, lines, image, line)
        if usage == _IGNORED:
            ignored.add(image)
        elif usage in parts:
            words = text.split()
            parts[usage][image] = ([landmark_of(word, path, line) for word in words]
                                   if tasks[0] == RECOGNITION else words)
        else:
            raise ValueError(f"`Usage` in {path}, line {line}, must be {', '.join(USAGES)} or {_IGNORED}. "
                             f"Received: {usage!r}.")
    return Solution(tasks[0], parts, frozenset(ignored))


def landmark_of(word: str, path: str, line: int) -> int:
    """The landmark that a word of a table means.

    Raises:
        ValueError: naming file and line, if it is no whole number.
    """
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


def check_once(path: str, lines: dict[str, int], image: str, line: int) -> None:
    """Notes down the line of an id; raises ValueError if it has one already."""
    if image in lines:
        raise ValueError(f"Every id of {path} must occur once. Received: {image!r} in lines {lines[image]} "
                         f"and {line}.")
    lines[image] = line


def read_rows(path: str) -> Iterator[tuple[int, list[str]]]:
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
