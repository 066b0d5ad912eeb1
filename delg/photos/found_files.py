"""What was found, as a table on the terminal, as JSON and as CSV."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

import rich.console
import rich.markup
import rich.table

from data_prep.sources.formats.image_names import printable
from data_prep.sources.formats.tables import writing_rows
from data_prep.stage import files
from delg.photos.finding import Findings
from delg.scores.found import FoundForQuery, FoundImage

_FIELDS = ("image", "rank", "similarity", "num_inliers", "probability", "verdict", "box")
_COLUMNS = ("query", "query_verdict", *_FIELDS[:-1], "x1", "y1", "x2", "y2")


def as_json(found: Sequence[FoundForQuery]) -> dict[str, Any]:
    """{"queries": [{"query", "verdict", "hits": [{"image", "rank", ...}]}]}, as docs/formats.md has it."""
    return {"queries": [{"query": query.query, "verdict": query.verdict,
                         "hits": [as_hit(hit) for hit in query.hits]} for query in found]}


def as_hit(hit: FoundImage) -> dict[str, Any]:
    """A hit as JSON has it."""
    values = dataclasses.asdict(hit)
    values["box"] = None if hit.box is None else list(hit.box)
    return {name: values[name] for name in _FIELDS}


def write_json(path: str, findings: Findings) -> None:
    """Writes `as_json`, whole or not at all."""
    files.write_json(path, as_json(findings.found))


def write_csv(path: str, findings: Findings) -> None:
    """Writes a row per hit, whole or not at all; what is not known is empty, a box four numbers."""
    with writing_rows(path) as writer:
        writer.writerow(_COLUMNS)
        for query in findings.found:
            for hit in query.hits:
                values = as_hit(hit)
                writer.writerow((printable(query.query), query.verdict, printable(values["image"]),
                                 *(values[name] for name in _FIELDS[1:-1]), *(hit.box or ("",) * 4)))


def print_found(found: Sequence[FoundForQuery], images_dir: str, num_shown: int) -> None:
    """Prints a table of each of the first queries: rank, file, verdict, probability, inliers."""
    console = rich.console.Console()
    for query in found[:num_shown]:
        table = rich.table.Table(title=rich.markup.escape(f"{printable(query.query)}: {query.verdict}"),
                                 title_justify="left")
        for name, justify in (("rank", "right"), ("file", "left"), ("verdict", "left"),
                              ("probability", "right"), ("inliers", "right")):
            table.add_column(name, justify=justify, overflow="fold")
        for hit in query.hits:
            name = printable(os.path.relpath(hit.image, images_dir))
            table.add_row(str(hit.rank), rich.markup.escape(name), hit.verdict or "",
                          "" if hit.probability is None else f"{hit.probability:.2f}",
                          str(hit.num_inliers) if hit.num_inliers >= 0 else "")
        console.print(table if query.hits else table.title)
        if query.copies:
            copies = ", ".join(printable(os.path.relpath(copy, images_dir)) for copy in query.copies)
            console.print(rich.markup.escape(f"The same file, so no hit: {copies}."))
    if len(found) > num_shown:
        console.print(f"... and {len(found) - num_shown} queries more.")
