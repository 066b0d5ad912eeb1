"""Losses that draw the code of an image to the fixed code of its class.

Each is a function of labels, the values of the code layer before tanh, the codes of classes, and settings.
"""

from __future__ import annotations

import tensorflow as tf

from hashing.training.config import TrainConfig
from hashing.training.losses.code_losses import center_loss


def cosine(labels: tf.Tensor, logits: tf.Tensor, centers: tf.Tensor, config: TrainConfig) -> tf.Tensor:
    """`center_loss` of the values after tanh."""
    return center_loss(labels, tf.tanh(logits), centers, config.center_margin, config.center_scale)


def orthohash(labels: tf.Tensor, logits: tf.Tensor, centers: tf.Tensor, config: TrainConfig) -> tf.Tensor:
    """`center_loss` of the values before tanh, which batch normalisation is to give.

    Source: OrthoHash, https://arxiv.org/abs/2109.14449, section 3.2: the whole loss of the paper.
    """
    return center_loss(labels, logits, centers, config.center_margin, config.center_scale)


def central_similarity(labels: tf.Tensor, logits: tf.Tensor, centers: tf.Tensor,
                       _config: TrainConfig) -> tf.Tensor:
    """Mean over images and bits of the binary cross-entropy of (1 + tanh) / 2 and the bit of the class.

    That share is the logistic function of twice the value before tanh, so no logarithm meets a 0.
    Source: CSQ, https://arxiv.org/abs/1908.00347, the central similarity loss of section 3.2.

    Args:
        labels: int, [B], in [0, C).
        logits: float, [B, K].
        centers: float, [C, K], -1 and 1.

    Returns:
        Float32 scalar.
    """
    bits = (tf.gather(tf.cast(centers, tf.float32), labels) + 1.0) / 2.0
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(bits, 2.0 * tf.cast(logits, tf.float32)))
