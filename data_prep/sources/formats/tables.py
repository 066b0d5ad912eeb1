"""CSV tables with named columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def read_table(path: str, columns: dict[str, Any], optional: dict[str, Any] | None = None) -> pd.DataFrame:
    """The named columns of a CSV file with a header.

    Args:
        path: the file.
        columns: dtype of each wanted column.
        optional: dtype of columns that the table need not have; those that it has are read too.

    Raises:
        ValueError: naming the file, if it is no CSV, lacks a column, has no rows, or has a value that is
            missing or not of the column's type.
        FileNotFoundError: if there is no such file.
    """
    import pandas as pd  # which flags and help need not wait for

    try:
        found = pd.read_csv(path, nrows=0).columns.tolist()
        missing = [name for name in columns if name not in found]
        if missing:
            raise ValueError(f"must have the columns {', '.join(columns)}. Received: {', '.join(found)}")
        columns = {**columns, **{name: dtype for name, dtype in (optional or {}).items() if name in found}}
        table = pd.read_csv(path, usecols=list(columns), dtype=str, keep_default_na=False)
        for name, dtype in columns.items():
            try:
                table[name] = table[name].astype(dtype)
            except (ValueError, OverflowError) as error:
                raise ValueError(f"must hold {dtype.__name__} in column {name}. Received: {error}") from None
    except ValueError as error:  # pandas' own errors among them
        raise ValueError(f"Table {path} {_sentence(error)}.") from error
    if table.empty:
        raise ValueError(f"Table {path} must have at least one row. Received: none.")
    return table


def _sentence(error: ValueError) -> str:
    text = str(error).rstrip(".")
    return text if text.startswith("must") else f"must be a CSV file. Received: {text}"
