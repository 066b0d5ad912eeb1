"""Triplets of a batch: every pair of one label against every image of another (tf).

Only pairs of one label are looked at, P of them, so that memory and time grow by P x B: in batches of many
classes a small part of all B x B x B.
"""

from __future__ import annotations

import tensorflow as tf


def squared_distances(codes):
    """Squared Euclidean distances of all pairs: float32 [B, K] to float32 [B, B], not below 0."""
    squares = tf.reduce_sum(tf.square(codes), axis=1)
    products = tf.matmul(codes, codes, transpose_b=True)
    return tf.nn.relu(squares[:, None] + squares[None, :] - 2.0 * products)


def positive_pairs(labels, mirrored=True):
    """Anchor and positive of every pair of different images of one label.

    Args:
        labels: int, [B].
        mirrored: False: only pairs whose anchor comes before the positive in the batch.

    Returns:
        anchors, positives: int64, [P], places in the batch.
    """
    labels = tf.reshape(labels, [-1])
    places = tf.range(tf.size(labels))
    pairs = places[:, None] != places[None, :] if mirrored else places[:, None] < places[None, :]
    found = tf.where((labels[:, None] == labels[None, :]) & pairs)
    return found[:, 0], found[:, 1]


def order_aware_weights(distances, anchors, positives):
    """Weight of each triplet: by how much it matters that positive and negative change places in a ranking.

    Ranks count from 1 over the other images of the batch; the weight is |1 / rank(positive) -
    1 / rank(negative)|, so that mistakes at the head of the ranking count most. Ours.

    Args:
        distances: float32, [B, B].
        anchors: int, [P].
        positives: int, [P].

    Returns:
        float32, [P, B], in [0, 1); no gradient goes through it.
    """
    others = tf.where(tf.eye(tf.shape(distances)[0], dtype=tf.bool), tf.float32.max, distances)
    order = tf.argsort(others, axis=1, stable=True)
    reciprocal = 1.0 / tf.cast(tf.argsort(order, axis=1) + 1, tf.float32)
    of_positive = tf.gather_nd(reciprocal, tf.stack([anchors, positives], axis=1))
    return tf.stop_gradient(tf.abs(of_positive[:, None] - tf.gather(reciprocal, anchors)))
