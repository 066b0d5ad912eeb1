"""What was found, as a table on the terminal, as JSON, as CSV and as GeoJSON."""

from __future__ import annotations

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
from delg.places import shown
from delg.scores.found import FoundForQuery, FoundImage, Place

_PLAIN = ("image", "rank", "similarity", "num_inliers", "probability", "verdict")
_COLUMNS = ("query", "query_verdict", *_PLAIN, "x1", "y1", "x2", "y2", "latitude", "longitude",
            "query_latitude", "query_longitude", "query_radius_m")


def as_json(found: Sequence[FoundForQuery]) -> dict[str, Any]:
    """{"queries": [{"query", "verdict", "place", "hits": [{"image", ...}]}]}, as docs/formats.md has it."""
    return {"queries": [{"query": query.query, "verdict": query.verdict,
                         "place": shown.as_degrees(query.place),
                         "hits": [as_hit(hit) for hit in query.hits]} for query in found]}


def as_hit(hit: FoundImage) -> dict[str, Any]:
    """A hit as JSON has it."""
    return {**{name: getattr(hit, name) for name in _PLAIN},
            "box": None if hit.box is None else list(hit.box), "place": shown.as_degrees(hit.place)}


def write_json(path: str, findings: Findings) -> None:
    """Writes `as_json`, whole or not at all."""
    files.write_json(path, as_json(findings.found))


def write_geojson(path: str, findings: Findings) -> None:
    """Writes places of queries and hits, whole or not at all."""
    files.write_json(path, shown.as_geojson(findings.found))


def write_csv(path: str, findings: Findings) -> None:
    """Writes a row per hit, whole or not at all; what is not known is empty, a box four numbers."""
    with writing_rows(path) as writer:
        writer.writerow(_COLUMNS)
        for query in findings.found:
            of_query = _numbers(query.place, "latitude", "longitude", "radius_m")
            for hit in query.hits:
                writer.writerow((printable(query.query), query.verdict, printable(hit.image),
                                 *(getattr(hit, name) for name in _PLAIN[1:]), *(hit.box or ("",) * 4),
                                 *_numbers(hit.place, "latitude", "longitude"), *of_query))


def _numbers(place: Place | None, *names: str) -> list[Any]:
    """Numbers of a place for a row; blanks where there are none."""
    degrees = shown.as_degrees(place) or {}
    return [degrees.get(name, "") for name in names]


def print_found(found: Sequence[FoundForQuery], images_dir: str, num_shown: int) -> None:
    """Prints a table of each of the first queries: rank, file, verdict, probability, inliers."""
    console = rich.console.Console()
    for query in found[:num_shown]:
        title = f"{printable(query.query)}: {query.verdict}" + (
            f", at {shown.in_words(query.place)}" if query.place else "")
        table = rich.table.Table(title=rich.markup.escape(title), title_justify="left")
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
