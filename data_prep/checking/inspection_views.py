"""How the numbers and images of a dataset are shown: tables for the terminal, rows for a contact sheet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf
from rich import box
from rich.table import Table

from data_prep.checking import inspection
from data_prep.checking.inspection import ImageRow, SplitSummary, SplitTable
from data_prep.images import augment, contact_sheet, image_headers
from data_prep.records.manifest import Manifest

_PER_ROW = 8
_FRAMES = {"easy": "#1a9850", "hard": "#f08c00", "junk": "#9a9a9a"}


def summary_table(summaries: dict[str, SplitSummary]) -> Table:
    """Numbers of the splits, a column for each."""
    table = _table("Splits", "", *summaries)
    for column in table.columns[1:]:
        column.justify = "right"

    def add(title: str, cells: Iterator[str]) -> None:
        texts = list(cells)
        if any(texts):
            table.add_row(title, *texts)

    found = list(summaries.values())
    add("images", (f"{entry.num_images:,}" for entry in found))
    add("shards", (f"{entry.num_shards:,}" for entry in found))
    add("size", (_megabytes(entry.num_bytes) for entry in found))
    add("classes", (f"{entry.num_classes:,}" if entry.num_classes else "" for entry in found))
    add("images per class", (_range(entry.images_per_class or (), "{:,g}") for entry in found))
    add("kilobytes per image", (_range([value / 1e3 for value in entry.image_bytes], "{:,.0f}")
                                for entry in found))
    add("width x height", (_range([f"{width}x{height}" for width, height in entry.image_sizes], "{}")
                           for entry in found))
    add("formats", (_counts(entry.formats) for entry in found))
    add("domains", (_counts(entry.domains) for entry in found))
    add("with a query's box", (f"{entry.num_boxes:,}" if entry.num_boxes else "" for entry in found))
    table.caption = "Three numbers: least / median / greatest."
    return table


def classes_table(manifest: Manifest, tables: Sequence[SplitTable], num_classes: int) -> Table | None:
    """The largest and smallest classes by their original label; None where there are no classes."""
    classes = inspection.extreme_classes(tables, num_classes)
    if not classes:
        return None
    cut = num_classes if len(classes) == 2 * num_classes else 0
    table = _table("Largest and smallest classes" if cut else "Classes", "class", "label",
                   *(part.name for part in tables))
    for column in table.columns[1:]:
        column.justify = "right"
    for place, (label, counts) in enumerate(classes, 1):
        table.add_row(contact_sheet.shorten_middle(inspection.class_name(manifest, label), 50), str(label),
                      *(f"{count:,}" if count else "-" for count in counts), end_section=place == cut)
    return table


def sources_table(manifest: Manifest) -> Table | None:
    """The tables that the dataset was built from; None if there were none."""
    if not manifest.sources:
        return None
    table = _table("Sources", "table", "file", "SHA-256")
    for name, source in manifest.sources.items():
        table.add_row(name, str(source.get("path", "")), str(source.get("sha256", ""))[:16] + "…")
    return table


def left_out_table(manifest: Manifest) -> Table | None:
    """Images left out, by reason; None if there are none."""
    if not manifest.left_out:
        return None
    table = _table(f"Left out: {len(manifest.left_out):,} images", "reason", "images", "such as")
    for reason, count, image in inspection.group_reasons(manifest.left_out):
        table.add_row(reason, f"{count:,}", contact_sheet.shorten_middle(image, 50))
    return table


def make_sections(manifest: Manifest, tables: Sequence[SplitTable], num_images: int,
                  seed: int) -> list[contact_sheet.Section]:
    """Random images of each split: by class where there are classes, queries with what they should find.

    Args:
        num_images: of each split.
        seed: same seed, same images.
    """
    index = next((table for table in tables if table.name == "index"), None)
    sections = []
    for table in tables:
        note = f"{len(table.rows):,} images"
        num_classes = len(inspection.class_counts(table))
        note += f" of {num_classes:,} classes" if num_classes else ""
        if table.name == "query" and index is not None and _has_entries(manifest):
            rows = _query_rows(manifest, table, index, num_images, seed)
            note += "; each with images it should find: green is easy, orange hard, grey junk"
        else:
            rows = [_class_row(manifest, table, row)
                    for row in inspection.choose_images(manifest, table, num_images, _PER_ROW, seed)]
        sections.append(contact_sheet.Section(table.name, note, rows))
    return sections


def _class_row(manifest: Manifest, table: SplitTable, row: ImageRow) -> contact_sheet.Row:
    cells = [_cell(manifest, image, table.rows[number]) for image, number in
             zip(inspection.read_images(table, row.rows), row.rows)]
    if row.label is None:
        return contact_sheet.Row("", cells)
    return contact_sheet.Row(row.label, cells, f"{row.num_images:,} image{'s' * (row.num_images != 1)}")


def _query_rows(manifest: Manifest, queries: SplitTable, index: SplitTable, num_images: int,
                seed: int) -> list[contact_sheet.Row]:
    truth = manifest.ground_truth
    chosen = np.random.default_rng(seed).permutation(len(queries.rows))[:max(1, num_images // _PER_ROW)]
    entry_of = dict(zip(truth["qimlist"], truth["gnd"]))
    rows = []
    for number, query in zip(sorted(chosen), inspection.read_images(queries, sorted(chosen))):
        cells = [_cell(manifest, query, queries.rows[number])]
        entry = entry_of.get(query.id, {})
        wanted = [(level, truth["imlist"][place]) for level in _FRAMES for place in entry.get(level, ())]
        if len(wanted) >= _PER_ROW:  # some of each level
            wanted = [wanted[place] for place in np.linspace(0, len(wanted) - 1, _PER_ROW - 1).astype(int)]
        for level, name in wanted:
            for row in inspection.find_ids(index, [name]):
                image, = inspection.read_images(index, [row])
                cell = _cell(manifest, image, index.rows[row])
                cells.append(cell._replace(tag=level, frame=_FRAMES[level]))
        counts = [f"{len(entry.get(level, ()))} {level}" for level in _FRAMES]
        rows.append(contact_sheet.Row(query.id, cells, ", ".join(counts)))
    return rows


def _cell(manifest: Manifest, image: inspection.StoredImage, row: np.ndarray) -> contact_sheet.Cell:
    pixels = None
    try:
        image_headers.check_image(image.encoded, manifest.max_pixels)
        pixels = augment.decode_image(image.encoded).numpy()
    except (ValueError, tf.errors.OpError):
        pass  # the sheet says so
    return contact_sheet.Cell(pixels, image.id, f"{row['width']} x {row['height']}", image.query_bbox,
                              image.domain)


def _has_entries(manifest: Manifest) -> bool:
    truth = manifest.ground_truth
    return isinstance(truth, dict) and {"imlist", "qimlist", "gnd"} <= set(truth)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD,
                  caption_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _range(values: Sequence, form: str) -> str:
    texts = [form.format(value) for value in values]
    return texts[0] if len(set(texts)) == 1 else " / ".join(texts)


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())


def _megabytes(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:,.2f} GB" if num_bytes >= 1e9 else f"{num_bytes / 1e6:,.1f} MB"
