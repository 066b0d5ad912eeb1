"""Builds TFRecord shards from a plan: in parallel, each shard whole or not at all, the finished ones skipped.

Beside the shards the folder .build/ keeps one small file a shard: what went into it (a digest of the plan)
and what came out. A shard whose digest and SHA-256 still hold is not built again. Workers are threads:
reading, decoding and hashing leave Python's lock, and no worker has to load TensorFlow first.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import threading
from collections.abc import Iterator
from concurrent import futures
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from absl import logging
from rich import console, progress

from data_prep import atomic_file, image_headers, shards
from data_prep.build_plan import BuildConfig, BuildPlan, ImageSplit, make_plan
from data_prep.example import encode_example
from data_prep.manifest import FILE_NAME, Manifest, Shard, Split, load_manifest, save_manifest
from data_prep.sources.revisited import drop_images

_RECORDS_DIR = ".build"
_EXAMPLE_OVERHEAD = 512  # bytes of an example besides its image, at most, with short ids
_DISK_RESERVE = 64 << 20  # bytes left free
_SHARD_BYTES = 128 << 20  # aimed at when the number of shards is not given
_FEW_SHARDS = 16  # a small split still gets this many, of 64 images or more, to be read in parallel
_VERSION = 1  # of what an image becomes in a shard; raise it to have old shards built again


class _Task(NamedTuple):
    split: ImageSplit
    rows: range
    path: str
    digest: str


class _Result(NamedTuple):
    shard: Shard
    left_out: list[dict[str, str]]


class _Interrupted(Exception):
    """Another shard failed or Ctrl-C came: leave off."""


class _BadImages:
    """Counts the images left out, over all workers, and stops the build when there are too many."""

    def __init__(self, config: BuildConfig, plan: BuildPlan):
        self._config, self._num_images = config, plan.num_images
        self._entries: list[dict[str, str]] = []
        self._lock = threading.Lock()

    def add(self, entries: list[dict[str, str]]) -> None:
        with self._lock:
            self._entries += entries
            if len(self._entries) > self._config.max_bad_fraction * self._num_images:
                examples = "; ".join(f"{entry['image']}: {entry['reason']}" for entry in self._entries[:3])
                raise ValueError(
                    f"At most {self._config.max_bad_fraction:g} of the {self._num_images} images may be bad "
                    f"(`max_bad_fraction`). Received: {len(self._entries)} bad ones so far, such as "
                    f"{examples}.")


def build(config: BuildConfig) -> Manifest:
    """Builds the shards of a dataset and, last of all, its dataset.json.

    Same images, tables and settings give the same bytes. After an interruption the same call goes on.

    Raises:
        ValueError: for bad tables, too many bad images, or an output folder that holds something else.
        OSError: if the disk has not enough room.
    """
    plan = make_plan(config)
    bad_images = _BadImages(config, plan)
    bad_images.add(plan.left_out)
    tasks = _make_tasks(config, plan)
    os.makedirs(os.path.join(config.output_dir, _RECORDS_DIR), exist_ok=True)
    _check_output_dir(config, plan, tasks)
    with _Workers(config) as workers:
        finished = workers.run("Checking finished shards", _find_result, tasks)
        for result in finished:
            bad_images.add(result.left_out if result else [])
        pending = [task for task, result in zip(tasks, finished) if result is None]
        if pending:
            _check_disk(config.output_dir, pending)
            _remove_manifest(config.output_dir)
        written = iter(workers.run("Building shards", _write_shard, pending, config, bad_images))
    results = [result or next(written) for result in finished]
    return _describe(config, plan, tasks, results)


def num_processors() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Workers:
    """A pool of threads that shows progress, and leaves off at once on an error or Ctrl-C."""

    def __init__(self, config: BuildConfig):
        self._pool = futures.ThreadPoolExecutor(config.num_workers or num_processors())
        self._stop = threading.Event()

    def __enter__(self) -> _Workers:
        return self

    def __exit__(self, *_: Any) -> None:
        self._stop.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def run(self, title: str, function: Any, tasks: list[_Task], *arguments: Any) -> list[Any]:
        """`function(task, *arguments, tick)` of each task; `tick()` is to be called for each image."""
        bar = progress.Progress("[progress.description]{task.description}", progress.BarColumn(),
                                progress.MofNCompleteColumn(), _Rate(), progress.TimeRemainingColumn(),
                                console=console.Console(stderr=True), disable=not os.isatty(2))
        with bar:
            row = bar.add_task(title, total=sum(len(task.rows) for task in tasks))

            def tick(count: int = 1) -> None:
                if self._stop.is_set():
                    raise _Interrupted
                bar.advance(row, count)

            jobs = [self._pool.submit(function, task, *arguments, tick) for task in tasks]
            try:
                for job in futures.as_completed(jobs):
                    job.result()
            except BaseException:
                self._stop.set()
                raise
        return [job.result() for job in jobs]


class _Rate(progress.ProgressColumn):
    def render(self, task: progress.Task) -> str:
        return f"{task.finished_speed or task.speed or 0:,.0f} images/s"


def _make_tasks(config: BuildConfig, plan: BuildPlan) -> list[_Task]:
    tasks = []
    for split in plan.splits:
        size = len(split.ids)
        count = config.num_shards
        if not count:
            count = max(-(-int(split.states[:, 0].sum()) // _SHARD_BYTES), min(_FEW_SHARDS, -(-size // 64)))
        count = max(1, min(count, size))
        edges = np.linspace(0, size, count + 1).astype(int)
        for index in range(count):
            name = shards.shard_name(split.name, index, count)
            rows = range(edges[index], edges[index + 1])
            tasks.append(_Task(split, rows, os.path.join(config.output_dir, name),
                               _digest(config, split, rows, name)))
    return tasks


def _digest(config: BuildConfig, split: ImageSplit, rows: range, name: str) -> str:
    """SHA-256 of all that decides the bytes of a shard, the images by size and time of change."""
    digest = hashlib.sha256(json.dumps([_VERSION, name, config.max_pixels]).encode())
    for row in rows:
        label = None if split.labels is None else int(split.labels[row])
        bbox = None if split.query_bboxes is None else list(split.query_bboxes[row])
        digest.update(json.dumps([split.ids[row], split.paths[row], split.states[row].tolist(), label,
                                  bbox]).encode())
    return digest.hexdigest()


def _record_path(task: _Task) -> str:
    folder, name = os.path.split(task.path)
    return os.path.join(folder, _RECORDS_DIR, f"{name}.json")


def _find_result(task: _Task, tick: Any) -> _Result | None:
    """What an earlier run made of this task, if it is whole and nothing has changed since."""
    try:
        with open(_record_path(task), encoding="utf-8") as file:
            record = json.load(file)
        if record["digest"] == task.digest:
            shard = Shard(**record["shard"])
            shards.check_shard(task.path, shard)
            return _Result(shard, record["left_out"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # absent, damaged, or of another version: build it
    finally:
        tick(len(task.rows))
    return None


def _write_shard(task: _Task, config: BuildConfig, bad_images: _BadImages, tick: Any) -> _Result:
    left_out: list[dict[str, str]] = []

    def examples() -> Iterator[bytes]:
        split = task.split
        for row in task.rows:
            tick()
            try:
                with open(os.path.join(config.images_dir, split.paths[row]), "rb") as file:
                    encoded = file.read()
                header = image_headers.check_image(encoded, config.max_pixels)
                _check_decodes(encoded, header.format)
            except (ValueError, OSError) as error:
                entry = {"split": split.name, "id": split.ids[row], "image": split.paths[row],
                         "reason": str(error)}
                left_out.append(entry)
                bad_images.add([entry])
                continue
            yield encode_example(
                encoded, split.ids[row], header.format, header.height, header.width,
                label=None if split.labels is None else int(split.labels[row]),
                query_bbox=None if split.query_bboxes is None else split.query_bboxes[row])

    shard = shards.write_shard(task.path, examples())
    atomic_file.write_json(_record_path(task), {"digest": task.digest, "shard": dataclasses.asdict(shard),
                                                "left_out": left_out})
    return _Result(shard, left_out)


def _check_decodes(encoded: bytes, image_format: str) -> None:
    """Decodes with the reader's own decoder, at an eighth of the size, so that training meets no surprise."""
    try:
        tf.io.decode_jpeg(encoded, channels=3, ratio=8)  # PNG as well, at full size
    except tf.errors.OpError:
        raise ValueError(f"damaged {image_format}: does not decode") from None


def _check_output_dir(config: BuildConfig, plan: BuildPlan, tasks: list[_Task]) -> None:
    """Refuses a folder with shards of another build; clears what an interrupted run left."""
    expected = {os.path.basename(task.path) for task in tasks}
    for name in sorted(os.listdir(config.output_dir)):
        if name.startswith(".") and name.endswith(".tmp") and shards.is_shard_name(name[1:].split(".")[0]):
            os.remove(os.path.join(config.output_dir, name))
        elif shards.is_shard_name(name) and name not in expected:
            raise ValueError("`output_dir` must hold no shards of another build. Received: "
                             f"{os.path.join(config.output_dir, name)}; delete it or choose another folder.")
    if os.path.exists(os.path.join(config.output_dir, FILE_NAME)):
        there = load_manifest(config.output_dir)
        tables = {name: entry["sha256"] for name, entry in plan.sources.items()}
        tables_there = {name: entry["sha256"] for name, entry in there.sources.items()}
        if (there.dataset, there.seed, tables_there) != (config.dataset, config.seed, tables):
            raise ValueError(
                "`output_dir` must hold no other dataset. Received: "
                f"{there.path} of dataset={there.dataset}, seed={there.seed} and other tables or settings; "
                "delete its folder or choose another.")


def _check_disk(output_dir: str, pending: list[_Task]) -> None:
    needed = _DISK_RESERVE + sum(
        int(task.split.states[task.rows.start:task.rows.stop, 0].sum()) + _EXAMPLE_OVERHEAD * len(task.rows)
        for task in pending)
    free = shutil.disk_usage(output_dir).free
    if free < needed:
        raise OSError(f"The disk of {output_dir} must have {needed / 1e9:.2f} GB free for the shards. "
                      f"Received: {free / 1e9:.2f} GB free.")


def _remove_manifest(output_dir: str) -> None:
    path = os.path.join(output_dir, FILE_NAME)
    if os.path.exists(path):
        os.remove(path)


def _describe(config: BuildConfig, plan: BuildPlan, tasks: list[_Task], results: list[_Result]) -> Manifest:
    left_out = plan.left_out + [entry for result in results for entry in result.left_out]
    splits = {}
    for split in plan.splits:
        parts = tuple(result.shard for task, result in zip(tasks, results) if task.split is split)
        bad = {entry["id"] for entry in left_out if entry["split"] == split.name}
        labels = set() if split.labels is None else {
            int(label) for image_id, label in zip(split.ids, split.labels) if image_id not in bad}
        if split.name == "train" and len(labels) < plan.num_classes:
            logging.warning("%d of %d classes have no readable image to train on.",
                            plan.num_classes - len(labels), plan.num_classes)
        splits[split.name] = Split(sum(shard.num_examples for shard in parts), len(labels),
                                   split.label_range, parts)
    ground_truth = plan.ground_truth
    if ground_truth is not None:
        dropped = {name: {entry["id"] for entry in left_out if entry["split"] == name}
                   for name in ("index", "query")}
        ground_truth = drop_images(ground_truth, dropped["index"], dropped["query"])
    if left_out:
        logging.warning("Left out %d of %d images; dataset.json lists them.", len(left_out), plan.num_images)
    return save_manifest(Manifest(
        path="", dataset=config.dataset, seed=config.seed, num_classes=plan.num_classes,
        labels=tuple(plan.labels), splits=splits, ground_truth=ground_truth, sources=plan.sources,
        left_out=tuple({"image": entry["image"], "reason": entry["reason"]} for entry in left_out)),
        config.output_dir)
