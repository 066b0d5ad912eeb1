"""The stage "TFRecord shards in, HDF5 shards out": what is finished, what is refused, what is bad.

A finished shard is not made again; one made from other images, by another model or with other settings is
refused. Several processes may share a stage by giving each its own part of the pattern.

A shard made notes down, whatever else it holds, its settings, the SHA-256 of the TFRecord shard and the
images left out; a function gives them as (settings, {"source_sha256": ..., "left_out": [...]}).
"""

from __future__ import annotations

import contextlib
import glob
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from absl import logging

from data_prep.records import shards
from data_prep.records.manifest import Shard, manifest_beside
from data_prep.stage import files, lock, progress
from data_prep.stage.lazy_module import LazyModule
from data_prep.stage.stored_settings import differences

pipeline = LazyModule("data_prep.records.pipeline")

SUFFIX = ".h5"
ReadAttributes = Callable[[str], tuple[dict[str, Any], dict[str, Any]]]


class ShardPlan(NamedTuple):
    """What there is to do.

    Attributes:
        outputs: paths of all shards to be made, in the order of the TFRecord shards.
        todo: TFRecord shard, shard to be made, and entry in dataset.json of those not finished.
        num_images: in all shards.
        num_bad: images left out of those finished.
    """

    outputs: list[str]
    todo: list[tuple[str, str, Shard]]
    num_images: int
    num_bad: int

    def limit(self, max_bad_fraction: float) -> BadImageLimit:
        """The limit of the stage: at most that share of all its images."""
        return BadImageLimit(max_bad_fraction, self.num_images, self.num_bad)

    def make(self, title: str, make: Callable[[str, str, str, Callable[[], None]], Any]) -> None:
        """Makes what is to do, one shard after another, under a bar: by a function of the TFRecord shard, the
        shard to be made, the SHA-256 of the former and what is to be called after each image.
        """
        with progress.bar() as bar:
            task = bar.add_task(title, total=sum(entry.num_examples for *_, entry in self.todo))
            for source, output, entry in self.todo:
                make(source, output, entry.sha256, lambda: bar.advance(task))


@contextlib.contextmanager
def plan_shards(pattern: str, output_dir: str, settings: dict[str, Any],
                read_attributes: ReadAttributes, defaults: Mapping[str, Any]) -> Iterator[ShardPlan]:
    """Finds the TFRecord shards of a pattern and what of them is to do; makes `output_dir`.

    In the block no other process works on these shards.

    Args:
        pattern: glob of TFRecord shards with dataset.json beside them.
        output_dir: of the shards to be made, <shard>.h5 each.
        settings: that finished shards must have been made with.
        read_attributes: of a finished shard.
        defaults: of settings; one that a finished shard lacks has had its default.

    Raises:
        FileNotFoundError: if no TFRecord shard matches.
        ValueError: if `output_dir` holds shards that do not belong.
        OSError: if another process makes one of these shards.
    """
    sources = shards.find_shards(pattern)
    entries = {entry.file: entry for split in manifest_beside(sources[0]).splits.values()
               for entry in split.shards}
    os.makedirs(output_dir, exist_ok=True)
    outputs = [os.path.join(output_dir, f"{os.path.basename(source)}{SUFFIX}") for source in sources]
    todo, num_bad = [], 0
    with lock.alone_at(outputs):
        for source, output in zip(sources, outputs):
            entry = entries[os.path.basename(source)]
            _refuse_other_numbering(output)
            if os.path.exists(output):
                num_bad += len(_check_finished(output, read_attributes(output), settings, defaults,
                                               entry.sha256))
            else:
                todo.append((source, output, entry))
        if len(todo) < len(outputs):
            logging.info("%d of %d shards of %s are finished; kept.", len(outputs) - len(todo), len(outputs),
                         output_dir)
        yield ShardPlan(outputs, todo, pipeline.count_examples(pattern), num_bad)


def write_left_out(outputs: Sequence[str], read_attributes: ReadAttributes) -> None:
    """Writes `<split>.left_out.json` for the splits of some shards, beside them.

    It joins what the finished shards of a split say, those of other processes included.
    """
    for output_dir, split in sorted({(os.path.dirname(output), _split_of(output)) for output in outputs}):
        paths = None
        while paths != (paths := _shards_of(output_dir, split)):  # another process may have ended meanwhile
            files.write_json(os.path.join(output_dir, f"{split}.left_out.json"), [
                image for path in paths for image in read_attributes(path)[1]["left_out"]])


class BadImageLimit:
    """Counts the bad images of a stage and stops it when they are too many.

    Args:
        max_fraction: of all images.
        num_images: of the stage.
        num_bad: known already.
    """

    def __init__(self, max_fraction: float, num_images: int, num_bad: int = 0):
        self._max_fraction, self._num_images, self._num_bad = max_fraction, num_images, num_bad

    def count(self, bad: dict[str, str]) -> None:
        """Counts an image left out, of `image`, its id, and `reason`. Raises ValueError if it is too many."""
        self._num_bad += 1
        if self._num_bad > self._max_fraction * self._num_images:
            raise ValueError(f"At most the fraction `max_bad_fraction` = {self._max_fraction} of "
                             f"{self._num_images} images may be bad. Received: {self._num_bad} bad ones, the "
                             f"last is {bad['image']}: {bad['reason']}.")


def _check_finished(path: str, attributes: tuple[dict[str, Any], dict[str, Any]], settings: dict[str, Any],
                    defaults: Mapping[str, Any], source_sha256: str) -> list[Any]:
    """Images left out of a shard, after checking that it is what would be made now."""
    found, notes = attributes
    different = differences(found, settings, defaults)
    if notes.get("source_sha256") != source_sha256:
        different.append("images")
    if different:
        raise ValueError(f"{path} must be what would be made now. Received: one of another model, of other "
                         f"images or settings; they differ in: {', '.join(different)}. Remove it, or choose "
                         "another `output_dir`.")
    return notes["left_out"]


def _refuse_other_numbering(output: str) -> None:
    count = output[:-len(SUFFIX)].rsplit("-", 1)[1]
    others = [path for path in _shards_of(os.path.dirname(output), _split_of(output))
              if not path.endswith(f"-of-{count}{SUFFIX}")]
    if others:
        raise ValueError(f"`output_dir` must not hold shards of another numbering than -of-{count}. "
                         f"Received: {others[0]}. Remove them, or choose another `output_dir`.")


def _split_of(output: str) -> str:
    return os.path.basename(output).rsplit("-", 3)[0]


def _shards_of(output_dir: str, split: str) -> list[str]:
    return sorted(glob.glob(os.path.join(glob.escape(output_dir),
                                         f"{glob.escape(split)}-?????-of-?????{SUFFIX}")))
