"""The losses of the double VAE: plain functions of tensors, float32 scalars, means over the batch."""

from __future__ import annotations

import tensorflow as tf


def mean_absolute_difference(images: tf.Tensor, others: tf.Tensor) -> tf.Tensor:
    """Mean over all elements of |images - others|, float32 []; shapes are equal.

    Source: UNIT, https://arxiv.org/abs/1703.00848, section 3, whose generators are Laplacian.
    """
    return tf.reduce_mean(tf.abs(tf.cast(images, tf.float32) - tf.cast(others, tf.float32)))


def kl_divergence(mean: tf.Tensor, log_variance: tf.Tensor | None = None) -> tf.Tensor:
    """Twice the divergence of the posterior from N(0, 1), as a mean over all elements.

    With a variance of one it is the mean of mean^2, the original's term, without factor and constants.
    Source: https://arxiv.org/abs/1312.6114, appendix B.

    Args:
        mean: float, [B, h, w, C].
        log_variance: float, [B, h, w, C]; None: zero.

    Returns:
        float32, [], not negative.
    """
    divergence = tf.square(tf.cast(mean, tf.float32))
    if log_variance is not None:
        log_variance = tf.cast(log_variance, tf.float32)
        divergence += tf.exp(log_variance) - log_variance - 1.0
    return tf.reduce_mean(divergence)


def discriminator_loss(real_scores: tf.Tensor, fake_scores: tf.Tensor) -> tf.Tensor:
    """Least squares: scores of real images should be 1, those of translations 0.

    Source: LSGAN, https://arxiv.org/abs/1611.04076, equation 9, without the factor 1/2, as in UNIT.

    Args:
        real_scores, fake_scores: float, any shape.
    """
    return (tf.reduce_mean(tf.square(tf.cast(real_scores, tf.float32) - 1.0))
            + tf.reduce_mean(tf.square(tf.cast(fake_scores, tf.float32))))


def deception_loss(fake_scores: tf.Tensor) -> tf.Tensor:
    """Least squares: what translations lack to be taken for real; the other side of `discriminator_loss`.

    Source: LSGAN, https://arxiv.org/abs/1611.04076, equation 9, without the factor 1/2.
    """
    return tf.reduce_mean(tf.square(tf.cast(fake_scores, tf.float32) - 1.0))


def domain_loss(day_logits: tf.Tensor, night_logits: tf.Tensor) -> tf.Tensor:
    """Cross-entropy of a classifier whose logits are positive for night, float32 []; any shapes.

    Source: DANN, https://arxiv.org/abs/1505.07818, whose domain classifier has this loss.
    """
    day, night = (tf.reduce_mean(tf.nn.softplus(tf.cast(logits, tf.float32)))
                  for logits in (day_logits, -night_logits))
    return 0.5 * (day + night)


def info_nce(descriptors: tf.Tensor, others: tf.Tensor, temperature: float,
             labels: tf.Tensor | None = None, other_labels: tf.Tensor | None = None) -> tf.Tensor:
    """How badly each descriptor finds its partner among all others, both ways.

    Row i of both is a pair. Where labels are given, other rows of the label of row i count neither for nor
    against it.
    Source: https://arxiv.org/abs/1807.03748, equation 4, symmetric as in https://arxiv.org/abs/2103.00020.

    Args:
        descriptors, others: float, [B, D], unit norm.
        temperature: that cosines are divided by.
        labels, other_labels: int, [B]; None: all differ.

    Returns:
        float32, [].
    """
    logits = tf.matmul(tf.cast(descriptors, tf.float32), tf.cast(others, tf.float32),
                       transpose_b=True) / temperature
    if labels is not None:
        same = tf.equal(labels[:, tf.newaxis], other_labels[tf.newaxis, :])
        partner = tf.eye(tf.shape(logits)[0], dtype=tf.bool)
        logits = tf.where(same & ~partner, tf.constant(-1e9), logits)
    rows = tf.range(tf.shape(logits)[0])
    found = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=rows, logits=logits)
    found_back = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=rows, logits=tf.transpose(logits))
    return 0.5 * tf.reduce_mean(found + found_back)
