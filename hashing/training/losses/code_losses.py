"""Losses of deep hashing. Codes are real values, tanh of the code layer; distances are squared Euclidean.

For codes of -1 and 1 the squared distance is four times the Hamming distance.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from hashing.training.losses.triplets import order_aware_weights, positive_pairs, squared_distances


def batch_all_triplet_loss(labels, codes, margin, active_only=True, mirrored=True, order_aware=False):
    """Mean over all triplets of a batch of max(0, d(anchor, positive) - d(anchor, negative) + margin).

    The re-implemented system has `active_only` False and `mirrored` False. With
    `order_aware` hinges are squared and weighted by what the triplet does to the ranking of its anchor, the
    idea of https://arxiv.org/abs/1804.06061; the weights are ours, see `order_aware_weights`.

    Source: "batch all" of https://arxiv.org/abs/1703.07737, equation 6.

    Args:
        labels: int, [B].
        codes: float, [B, K].
        margin: of squared distances; 4 m asks for m bits.
        active_only: mean over the triplets whose hinge is above 0, not over all.
        mirrored: both images of a positive pair serve as anchor; else only the one earlier in the batch.
        order_aware: weigh triplets.

    Returns:
        Float32 scalar; 0 where the batch has no triplet.
    """
    codes = tf.cast(codes, tf.float32)
    distances = squared_distances(codes)
    labels = tf.reshape(labels, [-1])
    anchors, positives = positive_pairs(labels, mirrored)
    to_positive = tf.gather_nd(distances, tf.stack([anchors, positives], axis=1))
    hinges = tf.nn.relu(to_positive[:, None] - tf.gather(distances, anchors) + margin)
    mask = tf.gather(labels, anchors)[:, None] != labels
    weights = tf.cast(mask & (hinges > 0) if active_only else mask, tf.float32)
    if order_aware:
        weights *= order_aware_weights(distances, anchors, positives)
        hinges = tf.square(hinges)
    return tf.math.divide_no_nan(tf.reduce_sum(hinges * weights), tf.reduce_sum(weights))


def quantization_loss(codes):
    """Mean squared distance of code values to the nearer of -1 and 1, what rounding to bits takes away.

    Source: Liu et al., "Deep Supervised Hashing for Fast Image Retrieval", CVPR 2016, whose regulariser takes
    the absolute distance; the square is ours.
    """
    return tf.reduce_mean(tf.square(tf.abs(tf.cast(codes, tf.float32)) - 1.0))


def log_cosh_quantization_loss(codes):
    """Mean log cosh of the distance of code values to the nearer of -1 and 1.

    Source: CSQ, https://arxiv.org/abs/1908.00347, the quantization loss of section 3.2, whose values h in
    (0, 1) are ours by 2 h - 1.
    """
    return tf.reduce_mean(tf.math.log(tf.cosh(tf.abs(tf.cast(codes, tf.float32)) - 1.0)))


def balance_loss(codes):
    """Mean over bits of the squared mean over the batch: 0 where each bit is -1 as often as 1.

    Source: Weiss et al., "Spectral Hashing", NIPS 2008, whose codes are balanced; the form is ours.
    """
    return tf.reduce_mean(tf.square(tf.reduce_mean(tf.cast(codes, tf.float32), axis=0)))


def decorrelation_loss(codes):
    """Mean squared covariance of different bits over the batch.

    Source: Weiss et al., "Spectral Hashing", NIPS 2008, whose bits are uncorrelated; the form is ours.

    Args:
        codes: float, [B, K].
    """
    codes = tf.cast(codes, tf.float32)
    centred = codes - tf.reduce_mean(codes, axis=0)
    covariance = tf.matmul(centred, centred, transpose_a=True) / tf.cast(tf.shape(codes)[0], tf.float32)
    off_diagonal = covariance - tf.linalg.diag(tf.linalg.diag_part(covariance))
    num_pairs = tf.cast(tf.shape(codes)[1] * (tf.shape(codes)[1] - 1), tf.float32)
    return tf.math.divide_no_nan(tf.reduce_sum(tf.square(off_diagonal)), num_pairs)


def center_loss(labels, codes, centers, margin, scale):
    """Cross-entropy over the cosines of codes with one fixed binary centre per class.

    Pulls the direction of a code towards the corner of the cube that its class was given.
    Source: OrthoHash, https://arxiv.org/abs/2109.14449, section 3 (its cosine margin form).

    Args:
        labels: int, [B], in [0, C).
        codes: float, [B, K]; values before or after tanh.
        centers: float, [C, K], -1 and 1; see `centers.class_centers`.
        margin: taken from the true cosine.
        scale: factor of the cosines.

    Returns:
        Float32 scalar, mean over the batch.
    """
    cosines = tf.matmul(tf.math.l2_normalize(tf.cast(codes, tf.float32), axis=1),
                        tf.math.l2_normalize(tf.cast(centers, tf.float32), axis=1), transpose_b=True)
    held_back = tf.one_hot(labels, tf.shape(cosines)[1]) * margin
    return tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(
        labels, scale * (cosines - held_back), from_logits=True))
