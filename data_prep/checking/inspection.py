"""What is in a dataset: numbers for each split and class, read without its images, and a choice of images."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from concurrent import futures
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from data_prep.checking.shard_check import hash_ids
from data_prep.records import example, record_file
from data_prep.records.fields_without_image import read_light_features
from data_prep.records.manifest import Manifest
from data_prep.stage.byte_ranges import open_file

_THREADS = 8  # the wait is for the file system
_COLUMNS = np.dtype([("file", "<i4"), ("start", "<i8"), ("length", "<i8"), ("label", "<i8"),
                     ("height", "<i4"), ("width", "<i4"), ("has_box", "?"), ("hash", "<u8")])


class SplitTable(NamedTuple):
    """A row for each image of a split, without the image."""

    name: str
    paths: list[str]  # of the shards
    rows: np.ndarray  # [number of images]; `start` and `length` of the record's data in bytes, size in pixels
    formats: dict[str, int]  # number of images of each
    domains: dict[str, int]  # "": none


class SplitSummary(NamedTuple):
    """Numbers of a split; three numbers are the least, the median and the greatest."""

    num_images: int
    num_shards: int
    num_bytes: int  # of the shards
    num_classes: int
    images_per_class: tuple[int, float, int] | None  # None: no labels
    image_bytes: tuple[int, int, int]  # of a record, which is the image file and some 300 bytes
    image_sizes: tuple[tuple[int, int], ...]  # width, height in pixels; three, by area
    formats: dict[str, int]
    domains: dict[str, int]
    num_boxes: int


class ImageRow(NamedTuple):
    """Images that belong together."""

    label: str | None  # original label of their class; None: no class
    num_images: int  # of the class in the split; 0: no class
    rows: np.ndarray  # some of them: rows of the split's table


class StoredImage(NamedTuple):
    """One image of a shard, still encoded."""

    id: str
    encoded: bytes
    query_bbox: list[float] | None  # x1, y1, x2, y2 in pixels
    domain: str


def read_split(manifest: Manifest, name: str) -> SplitTable:
    """Reads the fields of all images of a split, but not the images.

    Raises:
        ValueError: if dataset.json has no such split, or a shard is damaged.
        FileNotFoundError: if a shard is missing.
    """
    if name not in manifest.splits:
        raise ValueError(f"`split` must be one of {', '.join(manifest.splits)}. Received: split={name!r}.")
    folder = os.path.dirname(manifest.path)
    paths = [os.path.join(folder, shard.file) for shard in manifest.splits[name].shards]
    for path in paths:
        if not os.path.exists(path):
            raise FileNotFoundError(f"Split {name!r} of {manifest.path} lacks its shard {path}.")
    with futures.ThreadPoolExecutor(_THREADS) as pool:
        parts = list(pool.map(_read_shard, range(len(paths)), paths))
    return SplitTable(name, paths, np.concatenate([np.zeros(0, _COLUMNS), *(part[0] for part in parts)]),
                      dict(sum((part[1] for part in parts), Counter()).most_common()),
                      dict(sum((part[2] for part in parts), Counter()).most_common()))


def _read_shard(number: int, path: str) -> tuple[np.ndarray, Counter, Counter]:
    rows, ids, formats, domains = [], [], Counter(), Counter()
    file = open_file(path)
    for start, length in record_file.record_spans(path):
        try:
            features = read_light_features(file, start, length).feature
            label = features[example.LABEL].int64_list.value if example.LABEL in features else ()
            box = features[example.QUERY_BBOX].float_list.value if example.QUERY_BBOX in features else ()
            rows.append((number, start, length, label[0] if label else example.NO_LABEL,
                         features[example.HEIGHT].int64_list.value[0],
                         features[example.WIDTH].int64_list.value[0], len(box) == 4 and box[2] >= 0, 0))
            ids.append(features[example.ID].bytes_list.value[0])
            formats[features[example.FORMAT].bytes_list.value[0].decode()] += 1
        except (IndexError, ValueError) as error:
            raise ValueError(f"Records of {path} must be images; data_prep.validate says more. Received: "
                             f"at byte {start - record_file.HEAD_BYTES} one with {error}.") from error
        domain = features[example.DOMAIN].bytes_list.value if example.DOMAIN in features else ()
        domains[domain[0].decode() if domain else ""] += 1
    table = np.array(rows, _COLUMNS)
    table["hash"] = hash_ids(ids)
    return table, formats, domains


def summarise_split(manifest: Manifest, table: SplitTable) -> SplitSummary:
    """Numbers of a split of one image or more."""
    split = manifest.splits[table.name]
    counts = class_counts(table)
    sizes = table.rows[np.argsort(table.rows["height"].astype(np.int64) * table.rows["width"], kind="stable")]
    chosen = sizes[[0, len(sizes) // 2, -1]]
    lengths = np.sort(table.rows["length"])
    return SplitSummary(
        num_images=len(table.rows), num_shards=len(split.shards),
        num_bytes=sum(shard.num_bytes for shard in split.shards), num_classes=len(counts),
        images_per_class=(min(counts.values()), float(np.median(list(counts.values()))), max(counts.values()))
        if counts else None,
        image_bytes=(int(lengths[0]), int(lengths[len(lengths) // 2]), int(lengths[-1])),
        image_sizes=tuple((int(row["width"]), int(row["height"])) for row in chosen),
        formats=table.formats, domains={name: count for name, count in table.domains.items() if name},
        num_boxes=int(table.rows["has_box"].sum()))


def class_counts(table: SplitTable) -> dict[int, int]:
    """Images of each class that the split has, by its number."""
    labels = table.rows["label"]
    classes, counts = np.unique(labels[labels != example.NO_LABEL], return_counts=True)
    return dict(zip(classes.tolist(), counts.tolist()))


def extreme_classes(tables: Sequence[SplitTable], num_classes: int) -> list[tuple[int, list[int]]]:
    """The largest and the smallest classes: number and images in each split, from large to small.

    All classes, if there are at most `2 * num_classes`.
    """
    counts = [class_counts(table) for table in tables]
    totals = sum((Counter(part) for part in counts), Counter())
    labels = sorted(totals, key=lambda label: (-totals[label], label))
    if len(labels) > 2 * num_classes:
        labels = labels[:num_classes] + labels[-num_classes:]
    return [(label, [part.get(label, 0) for part in counts]) for label in labels]


def group_reasons(left_out: Sequence[dict[str, str]]) -> list[tuple[str, int, str]]:
    """Why images were left out: reason with N for its numbers, how many, one of them; the commonest first."""
    groups: dict[str, list[str]] = {}
    for entry in left_out:
        reason = re.sub(r"(?<![\w-])\d+(?![\w-])", "N", entry.get("reason", ""))
        groups.setdefault(reason, []).append(entry.get("image", ""))
    return sorted(((reason, len(images), images[0]) for reason, images in groups.items()),
                  key=lambda group: (-group[1], group[0]))


def choose_images(manifest: Manifest, table: SplitTable, num_images: int, per_row: int,
                  seed: int) -> list[ImageRow]:
    """About `num_images` random images: in rows of a class each where there are classes."""
    generator = np.random.default_rng(seed)
    counts = class_counts(table)
    if not counts:
        chosen = np.sort(generator.permutation(len(table.rows))[:num_images])
        return [ImageRow(None, 0, chosen[start:start + per_row]) for start in range(0, len(chosen), per_row)]
    rows, num_chosen = [], 0
    for label in generator.permutation(sorted(counts)).tolist():
        if num_chosen >= num_images:
            break
        members = generator.permutation(np.flatnonzero(table.rows["label"] == label))
        rows.append(ImageRow(label, counts[label], members[:min(per_row, num_images - num_chosen)]))
        num_chosen += len(rows[-1].rows)
    rows.sort(key=lambda row: row.label)
    return [row._replace(label=class_name(manifest, row.label)) for row in rows]


def class_name(manifest: Manifest, label: int) -> str:
    """The original label of a class; its number where dataset.json names none."""
    return str(manifest.labels[label]) if 0 <= label < len(manifest.labels) else f"class {label}"


def find_ids(table: SplitTable, ids: Sequence[str]) -> list[int]:
    """Rows of the ids that the split has, in their order."""
    wanted = hash_ids(image_id.encode() for image_id in ids)
    row_of = {value: row for row, value in enumerate(table.rows["hash"].tolist())} if len(ids) else {}
    return [row_of[value] for value in wanted.tolist() if value in row_of]


def read_images(table: SplitTable, rows: Sequence[int]) -> list[StoredImage]:
    """The images of some rows, each read from its place in its shard."""
    images = []
    for row in rows:
        entry = table.rows[row]
        with open(table.paths[entry["file"]], "rb") as file:
            serialized = os.pread(file.fileno(), int(entry["length"]), int(entry["start"]))
        features = tf.train.Example.FromString(serialized).features.feature
        domain = features[example.DOMAIN].bytes_list.value if example.DOMAIN in features else ()
        images.append(StoredImage(
            features[example.ID].bytes_list.value[0].decode("utf-8", "replace"),
            features[example.ENCODED].bytes_list.value[0],
            list(features[example.QUERY_BBOX].float_list.value) if entry["has_box"] else None,
            domain[0].decode("utf-8", "replace") if domain else ""))
    return images
