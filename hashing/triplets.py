"""Triplets of a batch as masks and weights over [anchor, positive, negative] (tf)."""

from __future__ import annotations

import tensorflow as tf


def squared_distances(codes):
    """Squared Euclidean distances of all pairs: float32 [B, K] to float32 [B, B], not below 0."""
    squares = tf.reduce_sum(tf.square(codes), axis=1)
    products = tf.matmul(codes, codes, transpose_b=True)
    return tf.nn.relu(squares[:, None] + squares[None, :] - 2.0 * products)


def triplet_mask(labels, mirrored=True):
    """Which (anchor, positive, negative) are triplets: two images of one label and one of another.

    Args:
        labels: int, [B].
        mirrored: False: only pairs whose anchor comes before the positive in the batch.

    Returns:
        bool, [B, B, B].
    """
    labels = tf.reshape(labels, [-1])
    same = labels[:, None] == labels[None, :]
    places = tf.range(tf.size(labels))
    pairs = places[:, None] != places[None, :] if mirrored else places[:, None] < places[None, :]
    return (same & pairs)[:, :, None] & ~same[:, None, :]


def order_aware_weights(distances):
    """Weight of each triplet: by how much it matters that positive and negative change places in a ranking.

    Ranks count from 1 over the other images of the batch; the weight is |1 / rank(positive) -
    1 / rank(negative)|, so that mistakes at the head of the ranking count most. Chosen.

    Args:
        distances: float32, [B, B].

    Returns:
        float32, [B, B, B], in [0, 1); no gradient goes through it.
    """
    others = tf.where(tf.eye(tf.shape(distances)[0], dtype=tf.bool), tf.float32.max, distances)
    order = tf.argsort(others, axis=1, stable=True)
    reciprocal = 1.0 / tf.cast(tf.argsort(order, axis=1) + 1, tf.float32)
    return tf.stop_gradient(tf.abs(reciprocal[:, :, None] - reciprocal[:, None, :]))
