"""Figures of a page as files that a browser saves: they are inside the page, as its pictures are."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any


def json_file(name: str, value: Any) -> dict[str, str]:
    """A file to save, {"name", "uri"}, of anything JSON can hold."""
    return _file(name, "application/json", json.dumps(value, indent=1))


def csv_file(name: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """A file to save, {"name", "uri"}: a line of keys, then one for each row; None is an empty field."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return _file(name, "text/csv;charset=utf-8", text.getvalue())


def _file(name: str, kind: str, text: str) -> dict[str, str]:
    encoded = base64.b64encode(text.encode("utf-8", "backslashreplace")).decode("ascii")
    return {"name": name, "uri": f"data:{kind};base64,{encoded}"}
