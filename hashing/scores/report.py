"""HTML report on codes: tables, charts, hits and failures in pictures; a page that needs no other file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import rich.console
import rich.table

from data_prep.stage import lock
from delg.pictures import page as pictures_page
from delg.pictures.charts import Line, draw_png, panels_svg
from delg.pictures.downloads import csv_file, json_file
from delg.scores.percent import text

# Method to code size to the scores of `evaluation.evaluate`, perhaps with "seconds" of training.
Results = Mapping[str, Mapping[int, Mapping[str, Any]]]
PARTS = {"seen": "Classes trained on", "unseen": "Classes never trained on"}
_CURVE_SIZE = 32  # bits, of the precision-recall curves where there are such codes


def print_table(results: Results) -> None:
    """Prints mAP by method and code size, classes trained on and others."""
    for part, title in PARTS.items():
        rows = _rows(results, part)
        if not rows:
            continue
        table = rich.table.Table(title=f"{title}: mAP, percent (95 % interval)")
        for name in ("method", "bits", "mAP", "interval", "in all", "real", "P@2", "s"):
            table.add_column(name, justify="left" if name == "method" else "right", no_wrap=True)
        for row in rows:
            table.add_row(row["method"], str(row["code_size"]), text(row["mAP"]),
                          f"{text(row['low'])} to {text(row['high'])}", text(row["in_all"]),
                          text(row["real_valued"]), text(row["within"]), text(row["seconds"], 0))
        rich.console.Console().print(table)


def make_report(results: Results, output_dir: str, title: str = "Retrieval by binary codes",
                summary: str = "", settings: Mapping[str, Any] | None = None,
                drawn: Sequence[Mapping[str, Any]] = (), drawn_name: str = "",
                warnings: Sequence[str] = ()) -> str:
    """Writes map.png, precision_recall.png and index.html into a folder; returns the path of the page.

    Args:
        results: of one method or several.
        output_dir: made where it does not exist.
        title: of the page.
        summary: one sentence below it; empty: says what the first codes reach.
        settings: shown at the end.
        drawn: queries in pictures, of `pictures.draw_queries`.
        drawn_name: of the codes that they were found by.
        warnings: sentences to be read with the figures, shown above them.

    Raises:
        OSError: another process writes a report into the folder.
    """
    charts = []
    with lock.alone_in(output_dir):
        for name, panels, labels in (
                ("map", _map_panels(results), ("bits", "mAP, percent")),
                ("precision_recall", _recall_panels(results), ("recall", "precision"))):
            draw_png(os.path.join(output_dir, f"{name}.png"), panels, *labels)
            charts.append(panels_svg(name, panels, *labels))
        page = pictures_page.render(
            "hashing.scores", "report.html.j2", title=title, summary=summary or _summarize(results),
            charts=charts, text=text, parts=PARTS, drawn=drawn, drawn_name=drawn_name, warnings=warnings,
            downloads=[json_file("scores.json", results), csv_file("scores.csv", _csv_rows(results))],
            groups=[{"key": part, "name": name, "rows": rows} for part, name in PARTS.items()
                    if (rows := _rows(results, part))],
            settings=sorted((settings or {}).items()))
        return pictures_page.write_page(output_dir, page)


def _summarize(results: Results) -> str:
    method, by_size = next(iter(results.items()))
    size, scores = next(iter(by_size.items()))
    low, high = scores["mAP_interval"]
    if scores["mAP"] is None:
        return f"No query has an image of its class in the index; {method} has {size} bits."
    real = scores.get("real_valued", {}).get("mAP")
    counts = ""
    if "num_queries" in scores:
        num_queries = scores["num_queries"]
        counts = (f" for {num_queries:,} {'query' if num_queries == 1 else 'queries'} in an index of "
                  f"{scores['num_index']:,} images")
    return (f"By {size} bits {method} reaches a mAP of {text(scores['mAP'])} % ({text(low)} to {text(high)})"
            f"{counts}" + (f"; the real values that became bits reach {text(real)} % by cosine." if real
                           is not None else "."))


def _of_part(scores: Mapping[str, Any], part: str) -> Mapping[str, Any] | None:
    return scores if part == "seen" else scores.get("unseen")


def _rows(results: Results, part: str) -> list[dict[str, Any]]:
    rows = []
    for method, by_size in results.items():
        for size, whole in by_size.items():
            scores = _of_part(whole, part)
            if scores is None:
                continue
            low, high = scores["mAP_interval"]
            rows.append({"method": method, "code_size": size, "mAP": scores["mAP"], "low": low, "high": high,
                         "in_all": scores.get("mAP_in_all"),
                         "real_valued": scores.get("real_valued", {}).get("mAP"),
                         "within": scores["precision_within_2"], "seconds": whole.get("seconds"),
                         "codes": scores["codes"]})
    return rows


def _csv_rows(results: Results) -> list[dict[str, Any]]:
    return [{"classes": part, **{name: value for name, value in row.items() if name != "codes"},
             **row["codes"]} for part in PARTS for row in _rows(results, part)]


def _map_panels(results: Results) -> dict[str, list[Line]]:
    panels = {}
    for part, title in PARTS.items():
        lines = []
        for method, by_size in results.items():
            points = [(size, scores["mAP"]) for size, whole in by_size.items()
                      if (scores := _of_part(whole, part)) is not None]
            if points:
                lines.append(Line(method, *zip(*points)))
        if lines:
            panels[title] = lines
    return panels


def _recall_panels(results: Results) -> dict[str, list[Line]]:
    panels: dict[str, list[Line]] = {}
    for part, title in PARTS.items():
        for method, by_size in results.items():
            size = _CURVE_SIZE if _CURVE_SIZE in by_size else max(by_size)
            scores = _of_part(by_size[size], part)
            if scores is not None:
                panels.setdefault(f"{title}, {size} bits", []).append(
                    Line(method, scores["curve"]["recall"], scores["curve"]["precision"]))
    return panels
