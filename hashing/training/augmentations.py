"""How images that codes are trained on are changed: crops, flips and stronger changes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from hashing.data.image_batches import middle


@dataclasses.dataclass(frozen=True)
class CodeAugmentation:
    """A change of batches of training images; the same images and seed give the same pixels.

    Attributes:
        change: from uint8 [B, R, R, 3], the size S and a seed, int64 [2], to uint8 [B, S, S, 3].
        reading: of data_prep.images.augmentations.AUGMENTATIONS, how images are changed as they are read.
        has_margin: whether R is `resized_size` of S, for a part to be taken; else R is S.
    """

    change: Callable[[tf.Tensor, int, tf.Tensor], tf.Tensor]
    reading: str = "none"
    has_margin: bool = True


def _random_parts(images, image_size, seeds):
    """A part of each image, at a place of its own."""
    count, spare = tf.shape(images)[0], tf.shape(images)[1] - image_size + 1
    corners = tf.random.stateless_uniform([count, 2], seeds, 0, spare, tf.int32)
    rows = corners[:, :1] + tf.range(image_size)
    columns = corners[:, 1:] + tf.range(image_size)
    parts = tf.gather(images, rows, axis=1, batch_dims=1)
    parts = tf.gather(parts, columns, axis=2, batch_dims=1)
    return tf.ensure_shape(parts, [None, image_size, image_size, 3])


def _randomly_flipped(images, seeds):
    """Half of the images, by chance, left to right."""
    flipped = tf.random.stateless_uniform([tf.shape(images)[0], 1, 1, 1], seeds + [1, 0]) < 0.5
    return tf.where(flipped, images[:, :, ::-1], images)


ORIGINAL = CodeAugmentation(
    lambda images, image_size, seeds: _randomly_flipped(_random_parts(images, image_size, seeds), seeds))
STRONG = CodeAugmentation(lambda images, _image_size, seeds: _randomly_flipped(images, seeds),
                          reading="strong", has_margin=False)
NONE = CodeAugmentation(lambda images, image_size, _seeds: middle(images, image_size))
