"""Extraction as a stage: TFRecord shards of images in, feature shards out, one for one.

A feature shard that is finished is not made again; one that was made from other images, by another model or
with other settings is refused. Shards are independent: several processes may share a job by giving each
its own part of the pattern.
"""

from __future__ import annotations

import collections
import glob
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from absl import logging
from rich import progress
from rich.console import Console

from data_prep import atomic_file, pipeline, shards
from data_prep.manifest import manifest_beside
from delg import features_io
from delg.config import ExtractConfig
from delg.features_io import FeatureShardWriter
from delg.image_features import BadImageError, ImageDescriber, ImageFeatures

_NUM_THREADS = min(4, os.cpu_count() or 1)  # chosen: decoding and small scales fill each other's gaps


def extract_features(saved_model: str, pattern: str, output_dir: str, config: ExtractConfig) -> list[str]:
    """Writes `output_dir/<shard>.h5` for every TFRecord shard that matches.

    Images that cannot be used are left out of the features and listed in `<split>.left_out.json`.

    Args:
        saved_model: folder made by `export.export`.
        pattern: glob of TFRecord shards with dataset.json beside them; of examples with a query box only the
            box is described.
        output_dir: made where it does not exist.
        config: how features are taken.

    Returns:
        Paths of the feature shards, in the order of the TFRecord shards.

    Raises:
        FileNotFoundError: if the model or the shards are not there.
        ValueError: if `output_dir` holds features that do not belong, or more images are bad than
            `max_bad_fraction` allows.
    """
    sources = shards.find_shards(pattern)
    num_images = pipeline.count_examples(pattern)
    entries = {entry.file: entry for split in manifest_beside(sources[0]).splits.values()
               for entry in split.shards}
    describer = ImageDescriber(saved_model, config)
    os.makedirs(output_dir, exist_ok=True)
    jobs = [(source, os.path.join(output_dir, f"{os.path.basename(source)}.h5"),
             entries[os.path.basename(source)]) for source in sources]
    todo, num_bad = [], 0
    for job in jobs:
        _, output, entry = job
        _refuse_other_numbering(output)
        if os.path.exists(output):
            num_bad += len(_check_finished(output, describer.settings, entry.sha256))
        else:
            todo.append(job)
    limit = _BadImageLimit(config.max_bad_fraction, num_images, num_bad)
    if len(todo) < len(jobs):
        logging.info("%d of %d feature shards are finished; kept.", len(jobs) - len(todo), len(jobs))
    with _progress() as bar:
        task = bar.add_task(os.path.basename(pattern), total=sum(entry.num_examples for *_, entry in todo))
        for source, output, entry in todo:
            with FeatureShardWriter(output, describer.settings, describer.global_dim, describer.local_dim,
                                    config.local_dtype) as writer:
                bad = []
                for image_id, result in _described(describer, source):
                    if isinstance(result, BadImageError):
                        bad.append({"image": image_id, "reason": str(result)})
                        limit.count(bad[-1])
                    else:
                        writer.append(image_id, result.global_descriptor, result.image_size, result.local)
                    bar.advance(task)
                writer.notes.update(source_sha256=entry.sha256, left_out=bad)
    for split in sorted({os.path.basename(source).rsplit("-", 3)[0] for source in sources}):
        _write_left_out(output_dir, split)
    return [output for _, output, _ in jobs]


class _BadImageLimit:
    """Counts bad images and stops the job when they are too many."""

    def __init__(self, max_fraction: float, num_images: int, num_bad: int):
        self._max_fraction, self._num_images, self._num_bad = max_fraction, num_images, num_bad

    def count(self, bad: dict[str, str]) -> None:
        logging.warning("Left out image %s: %s.", bad["image"], bad["reason"])
        self._num_bad += 1
        if self._num_bad > self._max_fraction * self._num_images:
            raise ValueError(f"At most the fraction `max_bad_fraction` = {self._max_fraction} of "
                             f"{self._num_images} images may be bad. Received: {self._num_bad} bad ones, the "
                             f"last is {bad['image']}: {bad['reason']}.")


def _described(describer: ImageDescriber, source: str
               ) -> Iterator[tuple[str, ImageFeatures | BadImageError]]:
    """Id and features, or the reason why not, of every image of a shard, in order."""
    def describe(example: pipeline.Example) -> tuple[str, ImageFeatures | BadImageError]:
        try:
            return example.id, describer.describe(example.encoded, example.query_bbox)
        except BadImageError as error:
            return example.id, error

    return _mapped_in_order(describe, pipeline.iterate_examples(source))


def _mapped_in_order(function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
    """`map` over a few threads that never runs far ahead of its reader."""
    pool = ThreadPoolExecutor(_NUM_THREADS)
    pending: collections.deque = collections.deque()
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) > 2 * _NUM_THREADS:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _check_finished(path: str, settings: dict[str, Any], source_sha256: str) -> list[dict[str, str]]:
    """Images left out of a feature shard, after checking that it is what would be made now."""
    config, notes = features_io.read_shard_attributes(path)
    different = sorted(key for key in {*config, *settings} if config.get(key) != settings.get(key))
    if notes.get("source_sha256") != source_sha256:
        different.append("images")
    if different:
        raise ValueError(f"{path} holds features of another extraction; they differ in: "
                         f"{', '.join(different)}. Remove it, or choose another `output_dir`.")
    return notes["left_out"]


def _refuse_other_numbering(output: str) -> None:
    split, _, _, count = os.path.basename(output)[:-len(".h5")].rsplit("-", 3)
    pattern = os.path.join(glob.escape(os.path.dirname(output)), f"{glob.escape(split)}-?????-of-?????.h5")
    others = [path for path in glob.glob(pattern) if not path.endswith(f"-of-{count}.h5")]
    if others:
        raise ValueError(f"`output_dir` must not hold shards of another numbering than -of-{count}. "
                         f"Received: {others[0]}. Remove them, or choose another `output_dir`.")


def _write_left_out(output_dir: str, split: str) -> None:
    """Joins what the finished shards of a split say, those of other processes included."""
    pattern = os.path.join(glob.escape(output_dir), f"{glob.escape(split)}-?????-of-?????.h5")
    paths = sorted(glob.glob(pattern))
    atomic_file.write_json(os.path.join(output_dir, f"{split}.left_out.json"), [
        image for path in paths for image in features_io.read_shard_attributes(path)[1]["left_out"]])


class _ImagesPerSecond(progress.ProgressColumn):
    def render(self, task: progress.Task) -> str:
        speed = task.finished_speed or task.speed
        return f"{speed:.1f} images/s" if speed else "- images/s"


def _progress() -> progress.Progress:
    return progress.Progress(
        progress.TextColumn("{task.description}"), progress.BarColumn(), progress.MofNCompleteColumn(),
        _ImagesPerSecond(), progress.TimeRemainingColumn(), console=Console(stderr=True))
