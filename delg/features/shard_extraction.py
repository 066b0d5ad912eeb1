"""Extraction of one shard: TFRecord examples in, a feature shard out, in the same order.

Images are decoded ahead of the model by threads of their own. Those that come to one size wait for each
other and go through the model together, as many as `ImageDescriber.images_at_once` says; a few wait at a
time, so that memory does not grow with the shard.
"""

from __future__ import annotations

import collections
import os
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from absl import logging

from data_prep.records import pipeline
from delg.features.describing import ImageDescriber, ImageFeatures
from delg.features.preparing import BadImageError, PreparedImage
from delg.features.shards import FeatureShardWriter

_NUM_THREADS = min(4, os.cpu_count() or 1)  # chosen: decoding and small scales fill each other's gaps
_WAITING_BATCHES = 4  # that may pass an image while it waits for others of its size; chosen
_SAME_LIMIT = 6  # decimals


class BadImageLimit:
    """Counts the bad images of a job and stops it when they are too many.

    Args:
        max_fraction: of all images of the job.
        num_images: in the job.
        num_bad: known already.
    """

    def __init__(self, max_fraction: float, num_images: int, num_bad: int = 0):
        self._max_fraction, self._num_images, self._num_bad = max_fraction, num_images, num_bad

    def count(self, bad: dict[str, str]) -> None:
        """Counts an image left out. Raises ValueError if it is one too many."""
        self._num_bad += 1
        if self._num_bad > self._max_fraction * self._num_images:
            raise ValueError(f"At most the fraction `max_bad_fraction` = {self._max_fraction} of "
                             f"{self._num_images} images may be bad. Received: {self._num_bad} bad ones, the "
                             f"last is {bad['image']}: {bad['reason']}.")


def extract_shard(describer: ImageDescriber, source: str, output: str, source_sha256: str,
                  limit: BadImageLimit, on_image: Callable[[], None]) -> list[dict[str, str]]:
    """Writes the feature shard of a TFRecord shard, whole or not at all.

    Args:
        describer: says how images are described.
        source: path of the TFRecord shard.
        output: path of the feature shard.
        source_sha256: of the TFRecord shard, to be noted down.
        limit: told of each bad image.
        on_image: called after each image; an error it raises ends the work.

    Returns:
        The images left out: dicts of `image`, its id, and `reason`.

    Raises:
        ValueError: if there are too many bad images.
    """
    left_out = []
    with FeatureShardWriter(output, describer.settings, describer.global_dim, describer.local_dim,
                            describer.settings["local_dtype"]) as writer:
        for image_id, result in _described(describer, source):
            if isinstance(result, BadImageError):
                left_out.append({"image": image_id, "reason": str(result)})
                logging.warning("Left out image %s: %s.", image_id, result)
                limit.count(left_out[-1])
            else:
                writer.append(image_id, result.global_descriptor, result.image_size, result.local)
            on_image()
        writer.notes.update(source_sha256=source_sha256, left_out=left_out)
    return left_out


class _Item(NamedTuple):
    number: int  # place in the shard
    id: str
    prepared: PreparedImage | BadImageError


def _described(describer: ImageDescriber, source: str) -> Iterator[tuple[str, ImageFeatures | BadImageError]]:
    """Id and features, or the reason why not, of every image of a shard, in order."""
    def prepare(numbered: tuple[int, pipeline.Example]) -> _Item:
        number, example = numbered
        try:
            return _Item(number, example.id, describer.prepare(example.encoded, example.query_bbox))
        except BadImageError as error:
            return _Item(number, example.id, error)

    def size(item: _Item) -> tuple[Hashable, int]:
        if isinstance(item.prepared, BadImageError):
            return None, 1
        return ((item.prepared.image.shape, round(item.prepared.limit, _SAME_LIMIT)),
                describer.images_at_once(item.prepared))

    def describe(items: list[_Item]) -> list[ImageFeatures | BadImageError]:
        if isinstance(items[0].prepared, BadImageError):
            return [item.prepared for item in items]
        return describer.describe_prepared([item.prepared for item in items])

    items = mapped_in_order(prepare, enumerate(pipeline.iterate_examples(source)))
    finished: dict[int, tuple[str, ImageFeatures | BadImageError]] = {}
    number = 0
    for batch, results in mapped_in_order(lambda batch: (batch, describe(batch)), same_sized(items, size)):
        finished.update({item.number: (item.id, result) for item, result in zip(batch, results)})
        while number in finished:
            yield finished.pop(number)
            number += 1


def same_sized(items: Iterable[Any], size: Callable[[Any], tuple[Hashable, int]]) -> Iterator[list[Any]]:
    """Puts items of equal size together.

    An item waits until its batch is full, or until four times as many items as fill it have come since its
    first; then it goes as it is. So an item of a rare size holds up no more of those behind it.

    Args:
        items: of any kind.
        size: gives what must be equal within a batch, and how many items fill it.
    """
    waiting: dict[Hashable, list[Any]] = {}  # in the order of their first items
    first: dict[Hashable, int] = {}  # the number of each batch's first item
    for number, item in enumerate(items):
        key, full = size(item)
        first.setdefault(key, number)
        waiting.setdefault(key, []).append(item)
        if len(waiting[key]) >= full:
            del first[key]
            yield waiting.pop(key)
        while waiting:
            oldest = next(iter(waiting))
            if number - first[oldest] < _WAITING_BATCHES * size(waiting[oldest][0])[1]:
                break
            del first[oldest]
            yield waiting.pop(oldest)
    yield from waiting.values()


def mapped_in_order(function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
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
