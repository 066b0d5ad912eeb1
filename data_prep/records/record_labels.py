"""Ids and landmarks of the images in shards, read without the images."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent import futures
from typing import Any

import numpy as np

from data_prep.records import example, record_file, shards
from data_prep.records.fields_without_image import read_light_features
from data_prep.records.manifest import Shard, manifest_beside
from data_prep.records.record_places import spans_of
from data_prep.records.record_reading import read_details
from data_prep.stage.byte_ranges import open_file

_THREADS = 8  # the wait is for the file system
_SAMPLED_SHARDS, _SAMPLED_RECORDS = 8, 50  # records of each; chosen


def read_landmarks(pattern: str) -> tuple[list[str], list[Any]]:
    """The id and the landmark of every image that has one, in the order of the shards.

    Args:
        pattern: glob of shards in one folder, with its dataset.json, whose label table names the landmarks.

    Returns:
        Ids, and the original labels of their classes: whole numbers for Google Landmarks, else names.

    Raises:
        FileNotFoundError: if no shard matches, or there is no dataset.json.
        ValueError: if a shard is damaged or holds a label that the table lacks.
    """
    paths = shards.find_shards(pattern)
    names = manifest_beside(paths[0]).labels
    with futures.ThreadPoolExecutor(_THREADS) as pool:
        found = [pair for part in pool.map(_read_shard, paths) for pair in part]
    odd = next((image for image, label in found if label >= len(names)), None)
    if odd is not None:
        raise ValueError(f"Labels in {pattern} must be below {len(names)}, as dataset.json names so many. "
                         f"Received: another for image {odd}.")
    return [image for image, _ in found], [names[label] for _, label in found]


def count_labels(pattern: str) -> np.ndarray:
    """Number of images of each class to train on, int [num_classes], in shards that match a pattern.

    Raises:
        FileNotFoundError: if no shard matches, or there is no dataset.json.
        ValueError: if a shard is damaged.
    """
    paths = shards.find_shards(pattern)
    manifest = manifest_beside(paths[0])
    labels = read_details(paths, manifest.select(paths).shards).labels
    return np.bincount(labels[(labels >= 0) & (labels < manifest.num_classes)],
                       minlength=manifest.num_classes)


def share_of_equal_neighbours(files: Sequence[str], shards_of_files: Sequence[Shard]) -> tuple[float, float]:
    """How sorted by class shards are: the share of neighbours with one label, found and expected if shuffled.

    Only the first records of a few shards are looked at.

    Returns:
        Both in [0, 1]: (1, small) of shards that are sorted by class, about equal of those that are not.
    """
    chosen = np.linspace(0, len(files) - 1, min(_SAMPLED_SHARDS, len(files))).astype(int)
    with futures.ThreadPoolExecutor(_THREADS) as pool:
        parts = list(pool.map(lambda place: _first_labels(files[place], shards_of_files[place]), chosen))
    equal = np.concatenate([part[1:] == part[:-1] for part in parts])
    if not len(equal):
        return 0.0, 0.0
    _, counts = np.unique(np.concatenate(parts), return_counts=True)
    total = counts.sum()
    return float(equal.mean()), float((counts * (counts - 1)).sum() / (total * (total - 1)))


def _first_labels(path: str, shard: Shard) -> np.ndarray:
    file, labels = open_file(path), []
    for offset, length in spans_of(path, shard)[:_SAMPLED_RECORDS]:
        feature = read_light_features(file, int(offset), int(length)).feature
        found = feature[example.LABEL].int64_list.value if example.LABEL in feature else ()
        labels.append(found[0] if found else example.NO_LABEL)
    return np.array(labels, np.int64)


def _read_shard(path: str) -> list[tuple[str, int]]:
    """Id and label of every image of a shard that has a label."""
    found = []
    file = open_file(path)
    for start, length in record_file.record_spans(path):
        feature = read_light_features(file, start, length).feature
        labels = feature[example.LABEL].int64_list.value if example.LABEL in feature else ()
        try:
            image_id = feature[example.ID].bytes_list.value[0].decode()
        except (IndexError, UnicodeDecodeError) as error:
            raise ValueError(f"Every record of {path} must have an id, as UTF-8. "
                             f"Received: {error}.") from error
        if labels and labels[0] >= 0:
            found.append((image_id, labels[0]))
    return found
