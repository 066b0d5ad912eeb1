"""What each shard of a build is to hold, settled before anything is written.

The plan follows from the tables, the seed and the number of shards alone: an image that is missing or bad
leaves a gap in its own shard and changes no other. The order of a training split is a seeded permutation of
all its images, so that the shuffle is global though no image is ever moved twice.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from concurrent import futures
from typing import Any, NamedTuple

import numpy as np

from data_prep.building.config import BuildConfig
from data_prep.building.read_collection import read_collection, source_files
from data_prep.building.tar_members import TarMembers
from data_prep.records import shards
from data_prep.sources.collection import ImageCollection, SplitImages
from data_prep.sources.labels import assign_classes, split_images
from data_prep.stage import files

_SHARD_BYTES = 128 << 20  # aimed at when the number of shards is not given
_FEW_SHARDS = 16  # a small split still gets this many, of 64 images or more, to be read in parallel
_SAMPLE_SIZE = 1000  # images looked at beforehand, to know about how large they are
_SAMPLE_THREADS = 16  # the wait is for the file system, not for the processor


class PlannedSplit(NamedTuple):
    """One split, in the order it is to be written."""

    images: SplitImages
    name: str
    rows: np.ndarray  # int64 [n]; rows of `images`
    edges: np.ndarray  # int64 [number of shards + 1]; shard i holds rows[edges[i]:edges[i + 1]]
    labels: np.ndarray | None = None  # int64 [n]
    label_range: tuple[int, int] | None = None

    def shard_names(self) -> list[str]:
        """File names of its shards."""
        count = len(self.edges) - 1
        return [shards.shard_name(self.name, index, count) for index in range(count)]

    def sizes(self) -> list[int]:
        """Images planned for each of its shards."""
        return np.diff(self.edges).tolist()


class BuildPlan(NamedTuple):
    """All that is to be written."""

    splits: list[PlannedSplit]
    num_classes: int  # to train on
    labels: list[Any]  # original label of class 0, 1, ...
    ground_truth: dict[str, Any] | None
    num_images: int
    mean_bytes: float  # of an image, about
    sources: dict[str, dict[str, str]]
    collection: ImageCollection
    tars: TarMembers | None


def make_plan(config: BuildConfig, tars: TarMembers | None = None) -> BuildPlan:
    """Reads the tables and settles splits, labels, order and shards.

    Args:
        config: of the build.
        tars: what is in the tar files, if the images come from there.

    Raises:
        ValueError: for tables that are not as they should be.
        OSError: if a table or the folder of images does not exist, or none of the images does.
    """
    if not config.from_tars and not os.path.isdir(config.images_dir):
        raise FileNotFoundError(f"`images_dir` must be a folder. Received: images_dir={config.images_dir}.")
    collection = read_collection(config)
    sources = {name: {"path": path, "sha256": files.sha256_of(path)}
               for name, path in source_files(config).items()}
    divided, num_classes, labels = _divide(config, collection)
    num_images = sum(len(rows) for _, _, rows, _, _ in divided)
    mean_bytes = tars.mean_bytes if tars else _mean_bytes(config, collection, num_images)
    splits = []
    for images, name, rows, split_labels, label_range in divided:
        rows, split_labels = _pairs_together(images, rows, split_labels)
        edges = _edges(config, images, rows, mean_bytes)
        splits.append(PlannedSplit(images, name, rows, edges, split_labels, label_range))
    return BuildPlan(splits, num_classes, labels, collection.ground_truth, num_images, mean_bytes, sources,
                     collection, tars)


def pieces(plan: BuildPlan, split: PlannedSplit) -> Iterator[bytes]:
    """For each shard of a split the part of the plan that concerns it, as JSON.

        {"split": name,
         "rows": [{"id", "path", "tar", "offset", "size", "label", "bbox", "domain", "pair"}, ...]}

    A row has only the keys that mean something: `tar`, `offset` and `size` (bytes) where the image lies in a
    tar file, else `path` is relative to the folder of images.
    """
    images = split.images
    for start, stop in zip(split.edges[:-1], split.edges[1:]):
        entries = []
        for place in range(start, stop):
            row = split.rows[place]
            entry: dict[str, Any] = {"id": images.ids[row], "path": plan.collection.path_of(images.ids[row])}
            if plan.tars is not None:
                entry.update(plan.tars.find(entry["path"]))
            if split.labels is not None:
                entry["label"] = int(split.labels[place])
            if images.query_bboxes is not None:
                entry["bbox"] = [float(value) for value in images.query_bboxes[row]]
            if images.domains is not None:
                entry["domain"] = images.domains[row]
            if images.pairs is not None and images.pairs[row]:
                entry["pair"] = images.pairs[row]
            entries.append(entry)
        yield json.dumps({"split": split.name, "rows": entries}, separators=(",", ":")).encode()


def _divide(config: BuildConfig, collection: ImageCollection) -> tuple[list[tuple], int, list[Any]]:
    """(images, name, rows, labels, label_range) of each split to write; number of classes; all labels."""
    train = next((split for split in collection.splits if split.name == "train"), None)
    num_classes, landmarks = 0, []
    divided = []
    if train is not None:
        fixed = collection.fixed_splits
        classes = assign_classes(train.landmarks, 0 if fixed else config.heldout_class_fraction, config.seed)
        num_classes, landmarks = classes.num_classes, list(classes.landmarks)
        parts = split_images(classes.labels, num_classes, 0 if fixed else config.validation_fraction,
                             config.seed)
        for name, rows in parts.items():
            label_range = (num_classes, len(landmarks)) if name == "heldout" else (0, num_classes)
            divided.append((train, name, rows, classes.labels[rows], label_range))
    for split in collection.splits:
        if split is train:
            continue
        rows, labels, label_range = np.arange(len(split.ids)), None, None
        if split.landmarks is not None:
            labels = _labels_of(split.landmarks, landmarks)
            known = not len(labels) or labels.max() < num_classes
            label_range = (0, num_classes) if known else (int(labels.min()), int(labels.max()) + 1)
        divided.append((split, split.name, rows, labels, label_range))
    return [entry for entry in divided if len(entry[2])], num_classes, landmarks


def _labels_of(split_landmarks: np.ndarray, landmarks: list[Any]) -> np.ndarray:
    """Class of each image, int64; landmarks not seen before are appended to the list."""
    names, rank = np.unique(split_landmarks, return_inverse=True)
    label_of = {landmark: label for label, landmark in enumerate(landmarks)}
    for name in names.tolist():
        if name not in label_of:
            label_of[name] = len(landmarks)
            landmarks.append(name)
    return np.array([label_of[name] for name in names.tolist()], np.int64)[rank]


def _pairs_together(images: SplitImages, rows: np.ndarray,
                    labels: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
    """The same order, but that images of one pair follow the first of them."""
    if images.pairs is None:
        return rows, labels
    _, first, group_of = np.unique(_groups(images, rows), return_index=True, return_inverse=True)
    order = np.argsort(first[group_of], kind="stable")
    return rows[order], None if labels is None else labels[order]


def _groups(images: SplitImages, rows: np.ndarray) -> np.ndarray:
    """A key for each row, equal for the images of a pair."""
    return np.array([f"+{images.pairs[row]}" if images.pairs[row] else f"-{row}" for row in rows.tolist()])


def _edges(config: BuildConfig, images: SplitImages, rows: np.ndarray, mean_bytes: float) -> np.ndarray:
    """Where the shards of a split begin and end: of equal size, but that no pair is cut."""
    size = len(rows)
    count = config.num_shards or max(-(-int(size * mean_bytes) // _SHARD_BYTES),
                                     min(_FEW_SHARDS, -(-size // 64)))
    edges = np.linspace(0, size, max(1, min(count, size)) + 1).astype(np.int64)
    if images.pairs is not None:
        groups = _groups(images, rows)
        starts = np.append(np.flatnonzero(np.append(True, groups[1:] != groups[:-1])), size)
        edges = np.unique(starts[np.searchsorted(starts, edges)])
    return edges


def _mean_bytes(config: BuildConfig, collection: ImageCollection, num_images: int) -> float:
    """Mean size of a seeded sample of the images.

    Raises:
        OSError: if none of the sample exists.
    """
    sample = np.random.default_rng(config.seed).permutation(num_images)[:_SAMPLE_SIZE]
    paths = []
    for split in collection.splits:
        paths += [collection.path_of(split.ids[row]) for row in sample if row < len(split.ids)]
        sample = sample[sample >= len(split.ids)] - len(split.ids)

    def size_of(path: str) -> int:
        try:
            found = os.stat(os.path.join(config.images_dir, path))
        except OSError:
            return 0
        return found.st_size if stat.S_ISREG(found.st_mode) else 0

    with futures.ThreadPoolExecutor(_SAMPLE_THREADS) as pool:
        sizes = [size for size in pool.map(size_of, paths) if size]
    if not sizes:
        raise FileNotFoundError(f"At least one image must exist below {config.images_dir}. Received: none of "
                                f"{len(paths)} looked for, such as {paths[0]}.")
    return sum(sizes) / len(sizes)
