"""Batches of images for hashing: training crops with flips, and what is encoded: the middle of whole images.

As in the re-implemented system an image is resized to 8 / 7 of the model's size, of which training takes a
random part and encoding the middle (there 256 and 224 pixels). The whole image is made
square here, where the original keeps its aspect and loses its longer ends.
"""

from __future__ import annotations

import tensorflow as tf

from data_prep.records import pipeline


def resized_size(image_size: int) -> int:
    """Pixels an image is resized to before a part of `image_size` is taken."""
    return round(image_size * 8 / 7)


def encoding_batches(pattern: str, image_size: int, batch_size: int) -> tf.data.Dataset:
    """Every image once, in the order of the shards: (uint8 [B, S, S, 3], int32 [B])."""
    batches = pipeline.make_dataset(pattern, resized_size(image_size), batch_size, seed=0, training=False)
    return batches.map(lambda images, labels: (middle(images, image_size), labels))


def middle(images, image_size: int):
    """The middle of images: [B, H, W, 3] to [B, image_size, image_size, 3]."""
    top, left = ((tf.shape(images)[axis] - image_size) // 2 for axis in (1, 2))
    parts = images[:, top:top + image_size, left:left + image_size]
    return tf.ensure_shape(parts, [None, image_size, image_size, None])
