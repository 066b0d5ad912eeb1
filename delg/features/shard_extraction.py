"""Feature extraction of one shard: TFRecord examples in, a feature shard out, in the same order.

Images are decoded ahead of the model by threads of their own. Those that come to one size wait for each
other and go through the model together, as many as `ImageDescriber.images_at_once` says; a few wait at a
time, so that memory does not grow with the shard.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import Any, NamedTuple

from absl import logging

from data_prep.records import pipeline
from data_prep.records.record_labels import read_orientations
from data_prep.records.shard_stage import BadImageLimit
from data_prep.stage.streams import mapped_in_order, same_sized
from delg.features.describing import ImageDescriber, ImageFeatures
from delg.features.preparing import BadImageError, PreparedImage
from delg.features.shards import FeatureShardWriter

_SAME_LIMIT = 6  # decimals

# From a describer and a TFRecord shard to id and features, or the reason why not, of every image, in order.
Described = Callable[[Any, str], Iterator[tuple[str, ImageFeatures | BadImageError]]]


def extract_shard(describer: Any, source: str, output: str, source_sha256: str,
                  limit: BadImageLimit, on_image: Callable[[], None],
                  described: Described | None = None) -> list[dict[str, str]]:
    """Writes the feature shard of a TFRecord shard, whole or not at all.

    Args:
        describer: says how images are described: `settings`, `global_dim` and `local_dim`.
        source: path of the TFRecord shard.
        output: path of the feature shard.
        source_sha256: of the TFRecord shard, to be noted down.
        limit: told of each bad image.
        on_image: called after each image; an error it raises ends the work.
        described: how any other describer than an ImageDescriber describes a TFRecord shard.

    Returns:
        The images left out: dicts of `image`, its id, and `reason`.

    Raises:
        ValueError: if there are too many bad images.
    """
    left_out = []
    with FeatureShardWriter(output, describer.settings, describer.global_dim, describer.local_dim,
                            describer.settings.get("local_dtype", "float16")) as writer:
        for image_id, result in (described or _described)(describer, source):
            if isinstance(result, BadImageError):
                left_out.append({"image": image_id, "reason": str(result)})
                logging.warning("Left out image %s: %s.", image_id, result)
                limit.count(left_out[-1])
            else:
                writer.append(image_id, result.global_descriptor, result.image_size, result.local)
            on_image()
        writer.notes.update(source_sha256=source_sha256, left_out=left_out)
        if turned := read_orientations(source):
            writer.notes["orientations"] = turned
    return left_out


class _Item(NamedTuple):
    number: int  # place in the shard
    id: str
    prepared: PreparedImage | BadImageError


def _described(describer: ImageDescriber, source: str) -> Iterator[tuple[str, ImageFeatures | BadImageError]]:
    def prepare(numbered: tuple[int, pipeline.Example]) -> _Item:
        number, example = numbered
        try:
            return _Item(number, example.id, describer.prepare(
                example.encoded, example.query_bbox, example.max_pixels))
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
