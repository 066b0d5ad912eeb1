"""Tables and lists as people write them: the one way in for every text file of rows, and out for tables.

Read are commas, semicolons or tabs, quotes, CRLF, a byte order mark, blank rows, blanks at the ends of cells,
names of columns in any case, and whole numbers such as 12.0, which tables with gaps get.
"""

from __future__ import annotations

import contextlib
import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TextIO

from data_prep.stage import files

_DELIMITERS = ",;\t"
_NO_DELIMITER = "\x1f"  # which no text holds
_WHOLE = re.compile(r"[+-]?[0-9]{1,19}(\.0*)?")
_NOT_UTF_8 = re.compile("[\udc80-\udcff]")  # as "surrogateescape" gives it
_LONGEST_CELL = 1 << 28  # characters; a solution may list thousands of images


def read_rows(path: str, delimiters: str = _DELIMITERS,
              blanks_are_text: bool = False) -> Iterator[tuple[int, list[str]]]:
    """The rows of a text file that are not blank, each with its line, from 1.

    Args:
        path: the file.
        delimiters: the first of them in the first row parts all cells.
        blanks_are_text: whether blanks inside a row, beside a delimiter, are kept.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: naming file and line, if it is not text of UTF-8 or its quotes do not close.
    """
    with files.open_text(path) as file:
        yield from _parsed(path, file, delimiters, blanks_are_text)


def read_records(path: str, columns: Iterable[str] = ()) -> Iterator[tuple[int, list[str]]]:
    """The header in lower case, then the other rows, as wide as it; each with its line, from 1.

    Args:
        path: the file.
        columns: what the header must have.

    Raises:
        FileNotFoundError, ValueError: as `read_rows`; if it has no such header, or a row has more cells.
    """
    return _with_header(path, read_rows(path), columns)


def _parsed(path: str, file: TextIO, delimiters: str = _DELIMITERS,
            blanks_are_text: bool = False) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(_LONGEST_CELL)
    first = _first_row(file)
    delimiter = next((mark for mark in delimiters if mark in first), delimiters[0])
    reader = csv.reader((line.rstrip().lstrip(" ") + "\n" for line in file), delimiter=delimiter,
                        skipinitialspace=not blanks_are_text, strict=True)
    try:
        for cells in reader:
            if not blanks_are_text:
                cells = [cell.strip() for cell in cells]
            if any(cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}, must be cells that end where their quotes do. "
                         f"Received: {error}.") from error


def _first_row(file: TextIO) -> str:
    first = next((line for line in file if line.strip()), "")
    file.seek(0)
    return first


def _with_header(path: str, rows: Iterator[tuple[int, list[str]]],
                 columns: Iterable[str] = ()) -> Iterator[tuple[int, list[str]]]:
    line, header = next(rows, (1, []))
    header = [name.lower() for name in header]
    while header and not header[-1]:
        header.pop()
    odd = next((name for name in columns if header.count(name) != 1), None)
    if odd is not None:
        raise ValueError(f"Table {path} must have the columns {', '.join(columns)}, each once. "
                         f"Received: {', '.join(header) or 'no rows'}.")
    yield line, header
    for line, cells in rows:
        if any(cells[len(header):]):
            raise ValueError(f"Table {path}, line {line}, must have {len(header)} cells as its header has. "
                             f"Received: {len(cells)}.")
        yield line, (cells + [""] * len(header))[:len(header)]


def read_table(path: str, columns: dict[str, type], optional: dict[str, type] | None = None
               ) -> dict[str, list]:
    """The named columns of a table with a header.

    Args:
        path: the file.
        columns: str or int for each wanted column.
        optional: the same for columns that the table need not have; those that it has are read too.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: naming the file, if it is no table, lacks a column, has no rows, or has a value that is
            not of the column's type; then with its line.
    """
    records = read_records(path, columns)
    _, header = next(records)
    wanted = [(header.index(name), dtype, name) for name, dtype in {**columns, **(optional or {})}.items()
              if name in header]
    table: dict[str, list] = {name: [] for _, _, name in wanted}
    for line, cells in records:
        for place, dtype, name in wanted:
            table[name].append(whole_number(cells[place], path, line, name) if dtype is int else cells[place])
    if not any(table.values()):
        raise ValueError(f"Table {path} must have at least one row. Received: none.")
    return table


def read_list(path: str, *columns: str) -> tuple[list[tuple[int, list[str]]], bool]:
    """Some columns of a table or, where its first line names none of them, the first of them, one a line.

    Args:
        path: the file.
        columns: what it may list, in lower case; a line of the list itself may hold blanks and delimiters.

    Returns:
        Line, from 1, and cells of `columns`, blank where there is none, of each row; and whether there is a
        header.

    Raises:
        FileNotFoundError, ValueError: as `read_records`.
    """
    with files.open_text(path) as file:
        text = io.StringIO(file.read(), newline="")
    records = _with_header(path, _parsed(path, text))
    _, header = next(records)
    if not set(columns) & set(header):
        text.seek(0)
        return [(line, cells + [""] * (len(columns) - 1))
                for line, cells in _parsed(path, text, _NO_DELIMITER, blanks_are_text=True)], False
    places = [header.index(name) if name in header else None for name in columns]
    rows = [(line, ["" if place is None else cells[place] for place in places]) for line, cells in records]
    return [(line, cells) for line, cells in rows if any(cells)], True


def read_labelled_files(path: str, suffixes: tuple[str, ...], is_there: Callable[[str], bool]
                        ) -> list[tuple[int, str, str]]:
    """Names of files, which may hold delimiters, and what stands after the last delimiter, as a label.

    Names of files need not be UTF-8: such bytes are kept as `os.fsdecode` does, unless no such file is there
    but one by the same text in cp1252, which spreadsheets save; then all of the file is in cp1252.

    Args:
        path: the file.
        suffixes: what names of files end in, in lower case; a last cell that does is no label.
        is_there: whether a name is that of a file.

    Returns:
        Line, from 1, name, and label or a blank, of each row that is not blank.

    Raises:
        FileNotFoundError, ValueError: as `read_rows`; of names in UTF-8, labels must be so too.
    """
    with files.open_text(path, "surrogateescape") as file:
        first = _first_row(file)
        marks = [mark for mark in "\t,;" if mark in first] or ["\t"]
        delimiter = next((mark for mark in marks if first.rpartition(mark)[0].rstrip(' "').lower().endswith(
            suffixes)), marks[0])
        rows = []
        for line, cells in _parsed(path, file, delimiter, blanks_are_text=True):
            *name, label = cells
            if not name or label.lower().endswith(suffixes):
                name, label = cells, ""
            rows.append((line, delimiter.join(name).strip(), label.strip()))
    odd = [name for _, name, _ in rows if _NOT_UTF_8.search(name)]
    if not odd and (line := next((line for line, _, label in rows if _NOT_UTF_8.search(label)), 0)):
        raise ValueError(f"{path} must be UTF-8 text, not cp1252 as of some spreadsheets. Received: another "
                         f"label in line {line}.")
    if not any(map(is_there, odd)) and any(is_there(_cp1252(name)) for name in odd):
        return [(line, _cp1252(name), _cp1252(label)) for line, name, label in rows]
    return rows


def _cp1252(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("cp1252", "replace")


@contextlib.contextmanager
def writing_rows(path: str, line_end: str = "\r\n") -> Iterator[Any]:
    """Gives a writer of the csv library for a table that appears under its name when the block ends well."""
    with files.replacing(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        yield csv.writer(file, lineterminator=line_end)


def whole_number(text: str, path: str, line: int, name: str) -> int:
    """The whole number that a cell means.

    Args:
        text: the cell.
        path, line, name: of the table, the row and the column, for the message.

    Raises:
        ValueError: naming file and line, if it is none that 64 bits hold.
    """
    if not _WHOLE.fullmatch(text) or not -2**63 <= (number := int(text.partition(".")[0])) < 2**63:
        raise ValueError(f"{name} in {path}, line {line}, must be whole numbers. Received: {text!r}.")
    return number
