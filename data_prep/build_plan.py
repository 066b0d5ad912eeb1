"""What a build of shards is to hold, settled before anything is written: splits, labels, order, bad files."""

from __future__ import annotations

import dataclasses
import os
import stat
from collections.abc import Sequence
from concurrent import futures
from typing import Any, NamedTuple

import numpy as np

from data_prep import image_headers, shards
from data_prep.build_config import BuildConfig
from data_prep.labels import LabelledImages, assign_classes, split_images
from data_prep.sources import folder, gldv2, landmarks, revisited
from data_prep.sources.image_names import path_finder

_MAX_FILE_BYTES = 1 << 28  # chosen; an example may not reach 2 GiB
_STAT_THREADS = 16  # the wait is for the file system, not for the processor
_STAT_CHUNK = 1000


class ImageSplit(NamedTuple):
    """The images of one split, in the order they are to be written."""

    name: str
    ids: Sequence[str]
    paths: Sequence[str]  # relative to the folder of images
    states: np.ndarray  # int64 [n, 2]: size in bytes and time of change of each file
    labels: np.ndarray | None = None  # int64 [n]
    query_bboxes: Sequence[Sequence[float]] | None = None
    label_range: tuple[int, int] | None = None


class BuildPlan(NamedTuple):
    """All that is to be written."""

    splits: list[ImageSplit]
    num_classes: int  # to train on
    labels: list[Any]  # original label of class 0, 1, ...
    ground_truth: dict[str, Any] | None
    left_out: list[dict[str, str]]  # images known to be bad: "split" (or empty), "id", "image", "reason"
    num_images: int  # with those left out
    sources: dict[str, dict[str, str]]


def make_plan(config: BuildConfig) -> BuildPlan:
    """Reads the tables, looks for every file, and settles splits, labels and order.

    Raises:
        ValueError: for tables that are not as they should be, and boxes outside their images.
        FileNotFoundError: if a table or the folder of images does not exist.
    """
    if not os.path.isdir(config.images_dir):
        raise FileNotFoundError(f"`images_dir` must be a folder. Received: images_dir={config.images_dir}.")
    if config.dataset == "landmarks" and not config.landmarks_json:
        config = dataclasses.replace(config, landmarks_json=landmarks.find_table(config.images_dir))
    sources = {name: {"path": getattr(config, name), "sha256": shards.sha256_of(getattr(config, name))}
               for name in ("train_csv", "train_clean_csv", "ground_truth", "landmarks_json")
               if getattr(config, name)}
    if config.dataset == "revisited":
        return _plan_retrieval(config, sources)
    readers = {"gldv2": lambda: gldv2.read_images(config.train_csv, config.train_clean_csv),
               "folder": lambda: folder.read_images(config.images_dir),
               "landmarks": lambda: landmarks.read_images(config.images_dir, config.landmarks_json)}
    return _plan_training(config, readers[config.dataset](), sources)


def _plan_training(config: BuildConfig, images: LabelledImages, sources: dict) -> BuildPlan:
    paths = [images.path_of(image_id) for image_id in images.ids]
    states, reasons = _look_at_files(config.images_dir, paths)
    left_out = [{"split": "", "id": images.ids[row], "image": paths[row], "reason": reason}
                for row, reason in reasons.items()]
    rows = np.flatnonzero(states[:, 0] > 0)
    if not len(rows):
        raise ValueError(f"At least one image must exist below {config.images_dir}. Received: none of the "
                         f"{len(paths)} in the tables; the first is {paths[0]}, {reasons[0]}.")
    classes = assign_classes(images.landmarks[rows], config.heldout_class_fraction, config.seed)
    splits = []
    for name, members in split_images(classes.labels, classes.num_classes, config.validation_fraction,
                                      config.seed).items():
        label_range = ((classes.num_classes, len(classes.landmarks)) if name == "heldout"
                       else (0, classes.num_classes))
        chosen = rows[members]
        splits.append(ImageSplit(name, [images.ids[row] for row in chosen], [paths[row] for row in chosen],
                                 states[chosen], labels=classes.labels[members], label_range=label_range))
    return BuildPlan(splits, classes.num_classes, classes.landmarks, None, left_out, len(paths), sources)


def _plan_retrieval(config: BuildConfig, sources: dict) -> BuildPlan:
    ground_truth = revisited.read_ground_truth(config.ground_truth)
    find = path_finder(config.images_dir)
    splits, left_out = [], []
    for split, names in (("query", ground_truth["qimlist"]), ("index", ground_truth["imlist"])):
        paths = [find(name) for name in names]
        states, reasons = _look_at_files(config.images_dir, paths)
        bboxes = None
        if split == "query":
            bboxes = []
            for row, (name, path, entry) in enumerate(zip(names, paths, ground_truth["gnd"])):
                bboxes.append(entry["bbx"])
                if row in reasons:
                    continue
                with open(os.path.join(config.images_dir, path), "rb") as file:
                    encoded = file.read()
                try:
                    header = image_headers.read_header(encoded)
                except ValueError as error:
                    reasons[row] = str(error)
                    continue
                bboxes[-1] = revisited.check_box(entry["bbx"], header.width, header.height, name)
        left_out += [{"split": split, "id": names[row], "image": paths[row], "reason": reasons[row]}
                     for row in sorted(reasons)]
        rows = [row for row in range(len(names)) if row not in reasons]
        splits.append(ImageSplit(split, [names[row] for row in rows], [paths[row] for row in rows],
                                 states[rows],
                                 query_bboxes=[bboxes[row] for row in rows] if bboxes is not None else None))
    num_images = len(ground_truth["qimlist"]) + len(ground_truth["imlist"])
    return BuildPlan([split for split in splits if split.ids], 0, [], ground_truth, left_out, num_images,
                     sources)


def _look_at_files(folder_path: str, paths: Sequence[str]) -> tuple[np.ndarray, dict[int, str]]:
    """Size and time of change of each file, int64 [n, 2], zeros for the bad; and row -> what is wrong."""
    def look(chunk: Sequence[str]) -> list[tuple[int, int, str]]:
        return [_look_at_file(os.path.join(folder_path, path)) for path in chunk]

    chunks = [paths[start:start + _STAT_CHUNK] for start in range(0, len(paths), _STAT_CHUNK)]
    with futures.ThreadPoolExecutor(_STAT_THREADS) as pool:
        found = [entry for part in pool.map(look, chunks) for entry in part]
    states = np.array([entry[:2] for entry in found], np.int64).reshape(-1, 2)
    return states, {row: entry[2] for row, entry in enumerate(found) if entry[2]}


def _look_at_file(path: str) -> tuple[int, int, str]:
    try:
        state = os.stat(path)
    except OSError as error:
        return 0, 0, "missing" if isinstance(error, FileNotFoundError) else str(error.strerror)
    if not stat.S_ISREG(state.st_mode):
        return 0, 0, "not a file"
    if state.st_size == 0:
        return 0, 0, "zero bytes"
    if state.st_size > _MAX_FILE_BYTES:
        return 0, 0, f"file of {state.st_size} bytes, more than {_MAX_FILE_BYTES}"
    return state.st_size, state.st_mtime_ns, ""
