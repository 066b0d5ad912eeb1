"""Losses of DELG. Margins and scale live here; the classifier layer gives plain cosines."""

from __future__ import annotations

import math

import keras
import numpy as np
import tensorflow as tf

from data_prep.stage.settings import require_member
from delg.settings.kinds import GLOBAL_LOSSES


def arcface_logits(cosines, labels, margin, scale):
    """Logits whose true class is moved away by an angle, as ArcFace asks.

    The true cosine c = cos(a) becomes cos(a + margin) = c cos(margin) - sqrt(1 - c^2) sin(margin). No arccos
    is taken, so the value is exact and the gradient finite at |c| = 1. Beyond a = pi - margin, where
    cos(a + margin) would rise again, c - margin * sin(margin) is used instead, which goes on falling.
    Source: ArcFace, equation 3 and its released code, https://arxiv.org/abs/1801.07698.

    Args:
        cosines: float, [B, C], in [-1, 1] up to rounding.
        labels: int, [B], in [0, C); -1: the true class is not among these.
        margin: radians, in [0, pi/2]; one, or one for each row, [B].
        scale: factor of all logits.

    Returns:
        float32, [B, C].
    """
    cosines = tf.clip_by_value(tf.cast(cosines, tf.float32), -1.0, 1.0)
    margin = tf.convert_to_tensor(margin, tf.float32)
    true = _true_class(cosines, labels)
    squared_sine = 1.0 - tf.square(true)
    tiny = squared_sine < 1e-7
    sine = tf.where(tiny, 0.0, tf.sqrt(tf.where(tiny, 1.0, squared_sine)))
    shifted = true * tf.cos(margin) - sine * tf.sin(margin)
    moved = tf.where(true > -tf.cos(margin), shifted, true - margin * tf.sin(margin))
    return scale * _with_true_class(cosines, labels, moved - true)


def cosface_logits(cosines, labels, margin, scale):
    """Logits whose true cosine is lowered by `margin`. Source: CosFace, https://arxiv.org/abs/1801.09414.

    Args:
        cosines: float, [B, C].
        labels: int, [B], in [0, C); -1: the true class is not among these.
        margin: difference of cosines; one, or one for each row, [B].
        scale: factor of all logits.

    Returns:
        float32, [B, C].
    """
    cosines = tf.cast(cosines, tf.float32)
    return scale * _with_true_class(cosines, labels, -margin * tf.ones([tf.shape(cosines)[0]]))


def softmax_logits(cosines, labels, margin, scale):
    """Logits without margin: the cosines times `scale`. Source: NormFace, https://arxiv.org/abs/1704.06369.

    Args:
        cosines: float, [B, C].
        labels, margin: passed over.
        scale: factor of all logits.

    Returns:
        float32, [B, C].
    """
    return scale * tf.cast(cosines, tf.float32)


def margins_by_frequency(num_images, margin, rare_margin, exponent):
    """Margin of each class, greater the fewer images it has: margin + rare_margin / num_images ** exponent.

    Source: dynamic margins, https://arxiv.org/abs/2010.05350.

    Args:
        num_images: int, [C], of each class; 0 counts as 1.
        margin: of a class with very many images.
        rare_margin: what a class with one image has more.
        exponent: how fast that falls, above 0.

    Returns:
        float32, [C].
    """
    return (margin + rare_margin * np.maximum(num_images, 1.0) ** -exponent).astype(np.float32)


def _true_class(cosines, labels):
    return tf.gather(cosines, tf.maximum(labels, 0), axis=1, batch_dims=1)


def _with_true_class(cosines, labels, change):
    """`cosines` plus `change` [B] at the true class of each row."""
    return cosines + tf.one_hot(labels, tf.shape(cosines)[1], dtype=cosines.dtype) * change[:, None]


@keras.saving.register_keras_serializable(package="delg")
class CosineSoftmaxLoss(keras.losses.Loss):
    """Cross-entropy over scaled cosines, the true class held back by a margin.

    Source: that of each kind stands in the function of its logits, above.

    Args:
        kind: of GLOBAL_LOSSES, such as "arcface" (margin in radians), "cosface" (margin of cosine) or
            "softmax" (no margin).
        margin: see kind.
        scale: factor of the cosines before the softmax.
        class_margins: float, [C], margin of each class, in the place of `margin`; None: it is that of all.

    Call arguments:
        y_true: int, [B] or [B, 1], class labels in [0, C).
        y_pred: float, [B, C], cosines.
    """

    def __init__(self, kind="arcface", margin=0.1, scale=45.25, class_margins=None,
                 name="cosine_softmax_loss", **kwargs):
        super().__init__(name=name, **kwargs)
        require_member("kind", kind, GLOBAL_LOSSES)
        if not 0 <= margin <= math.pi / 2:
            raise ValueError(f"`margin` must be in [0, pi/2]. Received: margin={margin}.")
        self.kind = kind
        self.margin = margin
        self.scale = scale
        self.class_margins = class_margins

    def logits(self, cosines, places, labels):
        """Logits of cosines [B, S] of some classes.

        Args:
            cosines: float, [B, S].
            places: int, [B], where the true class is among them, in [0, S); -1: it is not.
            labels: int, [B], the true class, in [0, C).
        """
        margin = self.margin
        if self.class_margins is not None:
            margin = tf.gather(tf.constant(self.class_margins, tf.float32), labels)
        return GLOBAL_LOSSES[self.kind](cosines, places, margin, self.scale)

    def call(self, y_true, y_pred):
        labels = tf.cast(tf.reshape(y_true, [-1]), tf.int32)
        logits = self.logits(y_pred, labels, labels)
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)

    def get_config(self):
        return {**super().get_config(), "kind": self.kind, "margin": self.margin, "scale": self.scale,
                "class_margins": self.class_margins}


@keras.saving.register_keras_serializable(package="delg")
class AttentionLoss(keras.losses.Loss):
    """Cross-entropy of the attention classifier, in float32.

    Source: DELG, section 3, https://arxiv.org/abs/2001.05027, after DELF, https://arxiv.org/abs/1612.06321.

    Call arguments:
        y_true: int, [B] or [B, 1], class labels in [0, C).
        y_pred: float, [B, C], logits.
    """

    def __init__(self, name="attention_loss", **kwargs):
        super().__init__(name=name, **kwargs)

    def logits(self, logits, places, labels):
        """As `CosineSoftmaxLoss.logits`: the logits as they are."""
        return logits

    def call(self, y_true, y_pred):
        labels = tf.cast(tf.reshape(y_true, [-1]), tf.int32)
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, tf.cast(y_pred, tf.float32))


@keras.saving.register_keras_serializable(package="delg")
class MeanOutputLoss(keras.losses.Loss):
    """The output itself, for outputs that are errors already, such as the autoencoder's reconstruction error.

    Source of that error as a loss: DELG, section 3.2, https://arxiv.org/abs/2001.05027.

    Call arguments:
        y_true: ignored.
        y_pred: float, [B] or [B, 1].
    """

    def __init__(self, name="mean_output_loss", **kwargs):
        super().__init__(name=name, **kwargs)

    def call(self, y_true, y_pred):
        return tf.reshape(tf.cast(y_pred, tf.float32), [-1])
