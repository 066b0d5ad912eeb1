"""Solutions of Google Landmarks v2, read as generously as the competitions' own tables are written.

    id,landmarks,Usage      what each test image shows: "landmark landmark ...", blank: no landmark
    id,images,Usage         what each query should find: "id id ..."

Usage is Public, Private or Ignored. Further columns are passed over. Landmarks of other sets may have names.
"""

from __future__ import annotations

from typing import NamedTuple

from data_prep.sources.formats.tables import read_records, whole_number

RECOGNITION, RETRIEVAL = "recognition", "retrieval"
USAGES = ("Public", "Private")
COLUMNS = {RECOGNITION: "landmarks", RETRIEVAL: "images"}
_IGNORED = "Ignored"


class Solution(NamedTuple):
    """What is to be predicted, as a table says it."""

    task: str  # RECOGNITION or RETRIEVAL
    parts: dict[str, dict[str, list]]  # usage -> test id -> landmarks, or index ids, str; all USAGES
    ignored: frozenset[str]  # test ids that are not judged


def read_solution(path: str, task: str | None = None, like: int | str | None = None) -> Solution:
    """A solution table.

    Args:
        path: of the table.
        task: the solution that is wanted; None: whichever the table is of.
        like: a landmark of the kind that is wanted, a number or a name; None: of the kind of the first.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no solution of the task.
    """
    rows = read_records(path, ["id"])
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
            if tasks[0] == RECOGNITION and words:
                like = landmark_of(words[0], path, line, like)
                words = [landmark_of(word, path, line, like) for word in words]
            parts[usage][image] = words
        else:
            raise ValueError(f"`Usage` in {path}, line {line}, must be {', '.join(USAGES)} or {_IGNORED}. "
                             f"Received: {usage!r}.")
    return Solution(tasks[0], parts, frozenset(ignored))


def landmark_of(word: str, path: str, line: int, like: int | str | None) -> int | str:
    """The landmark that a word of a table means: a number, or a name where landmarks have names.

    Args:
        word: as it is written.
        path: of the table.
        line: of the word.
        like: another landmark of the table or of its solution, of the same kind; None: not known.

    Raises:
        ValueError: naming file and line, if it must be a number and is none.
    """
    if isinstance(like, str):
        return word
    try:
        return whole_number(word, path, line, "Landmarks")
    except ValueError:
        if like is None:
            return word
        raise


def check_once(path: str, lines: dict[str, int], image: str, line: int) -> None:
    """Notes down the line of an id; raises ValueError if it has one already."""
    if image in lines:
        raise ValueError(f"Every id of {path} must occur once. Received: {image!r} in lines {lines[image]} "
                         f"and {line}.")
    lines[image] = line
