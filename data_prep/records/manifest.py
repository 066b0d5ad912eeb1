"""dataset.json, which lies beside the shards and says what is in them.

    {"format": 1, "dataset": name, "seed": int,
     "num_classes": C,              classes to train on: labels 0 to C - 1
     "labels": [name, ...],         the original label of class 0, 1, ...; from C on the held-out classes
     "splits": {split: {"num_examples": n, "num_classes": k, "label_range": [low, high) or null,
                        "shards": [{"file", "num_examples", "num_bytes", "sha256"}, ...]}},
     "ground_truth": {"imlist": [...], "qimlist": [...],
                      "gnd": [{"bbx": [4], "easy": [...], "hard": [...], "junk": [...]}]} or null,
     "sources": {flag: {"path", "sha256"}},
     "settings": {flag: value},     of data_prep.build_tfrecords, to build it again
     "unlisted": {"count", "examples"},  images on the disk that no table lists
     "left_out": [{"split", "id", "image", "reason"}, ...],
     "passed_over": {path: reason},  files of formats that are not read, and folders without an image
     "sha256": of all this}

It is written last: shards without it are of a build that did not finish.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from concurrent import futures
from typing import Any

from data_prep.images.image_headers import MAX_PIXELS
from data_prep.stage import files, storage

FILE_NAME = "dataset.json"
_FORMAT = 1
_THREADS = 16  # files looked at at a time; the wait is for storage elsewhere


@dataclasses.dataclass(frozen=True)
class Shard:
    """One file of a split."""

    file: str  # name, without folder
    num_examples: int
    num_bytes: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class Split:
    """One part of a dataset."""

    num_examples: int
    num_classes: int
    label_range: tuple[int, int] | None  # lowest label, highest + 1; None: no labels
    shards: tuple[Shard, ...]


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What dataset.json says."""

    path: str  # of the file itself; empty until it is saved
    dataset: str
    seed: int
    num_classes: int
    labels: tuple[Any, ...]
    splits: dict[str, Split]
    ground_truth: dict[str, Any] | None = None
    sources: dict[str, Any] = dataclasses.field(default_factory=dict)
    left_out: tuple[dict[str, str], ...] = ()
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)
    unlisted: dict[str, Any] = dataclasses.field(default_factory=dict)
    passed_over: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def max_pixels(self) -> int:
        """The most pixels that an image of the shards may have: what the build or else readers allow."""
        return max(self.settings.get("max_pixels", 0), MAX_PIXELS)

    def select(self, paths: Sequence[str]) -> Split:
        """The given shard files as one split; `label_range` covers those of all splits they belong to.

        Raises:
            ValueError: if a file is unknown to the manifest, or its size is not what the manifest says.
            FileNotFoundError: if another shard of the same split is missing.
        """
        home = {shard.file: (name, shard) for name, split in self.splits.items() for shard in split.shards}
        for path in paths:
            if os.path.basename(path) not in home:
                raise ValueError(f"Every shard must be listed in {self.path}. Received: {path}.")
        with futures.ThreadPoolExecutor(_THREADS) as pool:
            sizes = list(pool.map(storage.num_bytes, paths))
        names, shards = [], []
        for path, num_bytes in zip(paths, sizes):
            name, shard = home[os.path.basename(path)]
            if num_bytes != shard.num_bytes:
                raise ValueError(f"{path} must have the {shard.num_bytes} bytes that {self.path} says. "
                                 f"Received: {num_bytes} bytes; build the shards again.")
            names.append(name)
            shards.append(shard)
        folder, given = os.path.dirname(self.path), set(paths)
        for name in sorted(set(names)):
            for shard in self.splits[name].shards:
                path = os.path.join(folder, shard.file)
                if path not in given and not storage.exists(path):
                    raise FileNotFoundError(f"Split {name!r} of {self.path} lacks its shard {shard.file}.")
        splits = [self.splits[name] for name in sorted(set(names))]
        ranges = [split.label_range for split in splits if split.label_range]
        return Split(num_examples=sum(shard.num_examples for shard in shards),
                     num_classes=sum(split.num_classes for split in splits),
                     label_range=(min(low for low, _ in ranges), max(high for _, high in ranges))
                     if len(ranges) == len(splits) else None,
                     shards=tuple(shards))


def load_manifest(path: str) -> Manifest:
    """Reads dataset.json; `path` is the file or the folder it lies in.

    Raises:
        FileNotFoundError: if there is none, as after a build that did not finish.
        ValueError: if the file is not such a description.
    """
    if os.path.isdir(path):
        path = os.path.join(path, FILE_NAME)
    if not storage.exists(path):
        raise FileNotFoundError(f"{path} does not exist: build the shards with data_prep.build_tfrecords, "
                                "or let an interrupted build finish.")
    try:
        stored = files.read_checked_json(path)
        if stored["format"] != _FORMAT:
            raise ValueError(f"{path} must have format {_FORMAT}. Received: format={stored['format']!r}.")
        _check_types(stored, {"dataset": str, "splits": dict, "seed": int, "num_classes": int, "labels": list,
                              "sources": dict, "left_out": list})
        later = {"settings": {}, "unlisted": {}, "passed_over": {}}  # that earlier versions did not write
        _check_types({**later, **stored, "ground_truth": stored["ground_truth"] or {}},
                     {**dict.fromkeys(later, dict), "ground_truth": dict})
        splits = {name: _split_from_json(split) for name, split in stored["splits"].items()}
        return Manifest(path=path, dataset=stored["dataset"], seed=stored["seed"],
                        num_classes=stored["num_classes"], labels=tuple(stored["labels"]), splits=splits,
                        ground_truth=stored["ground_truth"], sources=stored["sources"],
                        left_out=tuple(stored["left_out"]), settings=stored.get("settings", {}),
                        unlisted=stored.get("unlisted", {}), passed_over=stored.get("passed_over", {}))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} must describe a dataset as data_prep.build_tfrecords writes it. "
                         f"Received: a file with {type(error).__name__}: {error}.") from error


def manifest_beside(pattern: str) -> Manifest:
    """Reads the dataset.json that lies beside the shards of a pattern such as DIR/train*."""
    return load_manifest(os.path.join(os.path.dirname(pattern), FILE_NAME))


def save_manifest(manifest: Manifest, directory: str) -> Manifest:
    """Writes dataset.json into a folder and returns the manifest with its path."""
    path = os.path.join(directory, FILE_NAME)
    stored = {"format": _FORMAT, **dataclasses.asdict(manifest)}
    del stored["path"]
    files.write_checked_json(path, stored)
    return dataclasses.replace(manifest, path=path)


def _check_types(stored: dict[str, Any], types: dict[str, type]) -> None:
    """Raises a KeyError or TypeError unless the entries are there and of these very types."""
    for name, expected in types.items():
        if type(stored[name]) is not expected:
            raise TypeError(f"{name} must be {expected.__name__}, not {type(stored[name]).__name__}")


def _split_from_json(split: dict[str, Any]) -> Split:
    label_range = split["label_range"]
    _check_types(split, {"num_examples": int, "num_classes": int, "shards": list})
    for shard in split["shards"]:
        _check_types(shard, {"file": str, "num_examples": int, "num_bytes": int, "sha256": str})
        if os.path.basename(shard["file"]) != shard["file"] or shard["num_examples"] < 0:
            raise TypeError(f"no shard: {shard}")
    if label_range is not None:
        _check_types(dict(enumerate(label_range)), {0: int, 1: int})
    return Split(num_examples=split["num_examples"], num_classes=split["num_classes"],
                 label_range=None if label_range is None else (label_range[0], label_range[1]),
                 shards=tuple(Shard(**shard) for shard in split["shards"]))
