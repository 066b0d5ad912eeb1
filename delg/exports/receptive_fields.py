"""Receptive fields of a map's cells, and choosing the strongest keypoints.

Pixel coordinates name pixel centres: the first pixel of an image is at 0, its edge at -0.5. A position v
in an image made by resizing by the factor f lies at (v + 0.5) / f - 0.5 of the original.
"""

from __future__ import annotations

import tensorflow as tf


def receptive_field_boxes(map_size, receptive_field, resize_factors):
    """Receptive fields of all cells of a map, in the pixels of the image before resizing.

    Their centres are the keypoints. Boxes of cells near the border reach outside the image.
    Source: DELF paper, section 3.2 (https://arxiv.org/abs/1612.06321).

    Args:
        map_size: int32, [2]; height and width of the map, cells.
        receptive_field: `(size, stride, padding)` of a cell in pixels of the resized image: cell i sees
            the pixels from `stride * i - padding`, `size` of them.
        resize_factors: float32, [2]; new over old height and width.

    Returns:
        Float32 tensor [height * width, 4], cells row by row: ymin, xmin, ymax, xmax; the centres of the
        first and the last pixel seen.
    """
    size, stride, padding = (tf.cast(value, tf.float32) for value in receptive_field)
    first = tf.stack(tf.meshgrid(tf.range(map_size[0]), tf.range(map_size[1]), indexing="ij"), axis=-1)
    first = tf.cast(tf.reshape(first, [-1, 2]), tf.float32) * stride - padding
    factors = tf.cast(resize_factors, tf.float32)
    return tf.concat([(first + 0.5) / factors - 0.5, (first + size - 0.5) / factors - 0.5], axis=1)


def keep_strongest(scores, values, max_num):
    """The cells of highest score of each image, best first; equal scores stay in the order given.

    Args:
        scores: float32, [batch, n].
        values: list of tensors [batch, n, ...] to be reordered and cut alike.
        max_num: int32 scalar, how many cells to keep at most.

    Returns:
        Scores [batch, k] in falling order and the list of values [batch, k, ...], k = min(n, max_num).
    """
    num_kept = tf.minimum(max_num, tf.shape(scores)[1])
    scores, cells = tf.math.top_k(scores, k=num_kept)
    return scores, [tf.gather(value, cells, axis=1, batch_dims=1) for value in values]
