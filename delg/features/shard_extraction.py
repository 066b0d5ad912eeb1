"""Feature extraction of one shard: images in, a feature shard out, in the same order.

Images are read and decoded ahead of the model by threads of their own. Those that come to one size wait for
each other and go through the model together, as many as `ImageDescriber.images_at_once` says; a few wait at a
time, so that memory does not grow with the shard.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from absl import logging

from data_prep.images.image_headers import MAX_PIXELS
from data_prep.records.shard_stage import BadImageLimit
from data_prep.stage.lazy_module import LazyModule
from data_prep.stage.streams import mapped_in_order, same_sized
from delg.features import simulated_views
from delg.features.preparing import BadImageError, PreparedImage
from delg.features.shards import FeatureShardWriter, ImageFeatures

if TYPE_CHECKING:
    from data_prep.records.pipeline import Example
    from delg.features.describing import ImageDescriber

pipeline = LazyModule("data_prep.records.pipeline")

class UnreadImage(NamedTuple):
    """An image to be described.

    Attributes:
        id: as in the feature shard.
        read: gives the encoded image, called by another thread; a BadImageError leaves the image out.
        query_bbox: float, [4]; x1, y1, x2, y2 in pixels; None: the whole image.
        max_pixels: that it may have.
    """

    id: str
    read: Callable[[], bytes]
    query_bbox: np.ndarray | None = None
    max_pixels: int = MAX_PIXELS


Described = Iterator[tuple[str, "ImageFeatures | BadImageError"]]  # id and features, or the reason why not


def extract_shard(describer: Any, images: Described, output: str, notes: Callable[[], dict[str, Any]],
                  limit: BadImageLimit, on_image: Callable[[], None]) -> list[dict[str, str]]:
    """Writes a feature shard, whole or not at all.

    Args:
        describer: says how images are described: `settings`, `global_dim` and `local_dim`.
        images: what it found, image by image.
        output: path of the feature shard.
        notes: gives what is noted down beside the images left out, once all images are described.
        limit: told of each bad image.
        on_image: called after each image; an error it raises ends the work.

    Returns:
        The images left out: dicts of `image`, its id, and `reason`.

    Raises:
        ValueError: if there are too many bad images.
    """
    left_out, last, of_views = [], None, bool(describer.settings.get("simulated_views"))
    with FeatureShardWriter(output, describer.settings, describer.global_dim, describer.local_dim,
                            describer.settings.get("local_dtype", "float16")) as writer:
        for image_id, result in images:
            if not isinstance(result, BadImageError) and _is_void(result.global_descriptor):
                result = BadImageError("its global descriptor is zero or not finite, so it is like no image")
            if isinstance(result, BadImageError):
                left_out.append({"image": image_id, "reason": str(result)})
                logging.warning("Left out image %s: %s.", image_id, result)
                limit.count(left_out[-1])
            else:
                writer.append(image_id, result.global_descriptor, result.image_size, result.local)
            if (image := simulated_views.image_of(image_id) if of_views else image_id) != last:
                on_image()
            last = image
        writer.notes.update(notes(), left_out=left_out)
    return left_out


def _is_void(descriptor: np.ndarray) -> bool:
    """Whether a descriptor, if there is one, has no direction: as of a few pixels, or a single colour."""
    return descriptor.size > 0 and not 0 < np.linalg.norm(descriptor) < np.inf


def extract_tfrecord_shard(describer: Any, describe: Callable[[Iterable[Example]], Described], source: str,
                           output: str, source_sha256: str, limit: BadImageLimit,
                           on_image: Callable[[], None]) -> list[dict[str, str]]:
    """Writes the feature shard of a TFRecord shard, which notes down its SHA-256 and how turned files lie.

    Args:
        describe: from the examples of the shard to what is found on each of them.
        source: path of the TFRecord shard.
        source_sha256: of it.

    The other arguments, and what is returned and raised, are those of `extract_shard`.
    """
    turned: dict[str, int] = {}

    def examples() -> Iterator[Example]:
        for example in pipeline.iterate_examples(source):
            if example.orientation != 1:
                turned[example.id] = example.orientation
            yield example

    return extract_shard(describer, describe(examples()), output, lambda: {
        "source_sha256": source_sha256, **({"orientations": turned} if turned else {})}, limit, on_image)


def describe_examples(describer: ImageDescriber, examples: Iterable[Example]) -> Described:
    """Describes the images of examples, or their simulated views; of those with a query box only the box."""
    if describer.describes_views:
        return _described(describer, _views(describer, examples))
    return describe_images(describer, (
        UnreadImage(example.id, lambda encoded=example.encoded: encoded, example.query_bbox,
                    example.max_pixels)
        for example in examples))


class _Item(NamedTuple):
    number: int  # place among the images
    id: str
    prepared: PreparedImage | BadImageError


def describe_images(describer: ImageDescriber, images: Iterable[UnreadImage]) -> Described:
    """Describes images, in their order."""
    def prepare(numbered: tuple[int, UnreadImage]) -> _Item:
        number, image = numbered
        try:
            prepared = describer.prepare(image.read(), image.query_bbox, image.max_pixels)
            return _Item(number, image.id, prepared)
        except BadImageError as error:
            return _Item(number, image.id, error)

    return _described(describer, mapped_in_order(prepare, enumerate(images)))


def _views(describer: ImageDescriber, examples: Iterable[Example]) -> Iterator[_Item]:
    """The simulated views of the images of examples; an image that cannot be used has one item."""
    def prepare(example: Example) -> list[tuple[str, PreparedImage | BadImageError]]:
        try:
            prepared = describer.prepare(example.encoded, example.query_bbox, example.max_pixels)
            return [(simulated_views.view_id(example.id, number), view)
                    for number, view in enumerate(simulated_views.views_of(prepared))]
        except BadImageError as error:
            return [(example.id, error)]

    found = itertools.chain.from_iterable(mapped_in_order(prepare, examples))
    return (_Item(number, *item) for number, item in enumerate(found))


def _described(describer: ImageDescriber, items: Iterable[_Item]) -> Described:
    """Describes what has been prepared, in its order."""
    def size(item: _Item) -> tuple[Hashable, int]:
        if isinstance(item.prepared, BadImageError):
            return None, 1
        return item.prepared.shape_key, describer.images_at_once(item.prepared)

    def describe(items: list[_Item]) -> list[ImageFeatures | BadImageError]:
        if isinstance(items[0].prepared, BadImageError):
            return [item.prepared for item in items]
        return describer.describe_prepared([item.prepared for item in items])

    finished: dict[int, tuple[str, ImageFeatures | BadImageError]] = {}
    number = 0
    for batch, results in mapped_in_order(lambda batch: (batch, describe(batch)), same_sized(items, size)):
        finished.update({item.number: (item.id, result) for item, result in zip(batch, results)})
        while number in finished:
            yield finished.pop(number)
            number += 1
