"""Which triplets of a batch the triplet loss takes: each a function of labels, codes, margin and settings."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from data_prep.images.addons import tensorflow_addons
from hashing.training.config import TrainConfig
from hashing.training.losses import code_losses
from hashing.training.losses.triplets import positive_pairs


def batch_all(labels: tf.Tensor, codes: tf.Tensor, margin: float, config: TrainConfig) -> tf.Tensor:
    """All triplets, see `code_losses.batch_all_triplet_loss`, which names the source."""
    return code_losses.batch_all_triplet_loss(labels, codes, margin, config.active_only, config.mirrored,
                                              config.order_aware)


def batch_hard(labels: tf.Tensor, codes: tf.Tensor, margin: float, _config: TrainConfig) -> tf.Tensor:
    """Of each anchor the farthest positive and the nearest negative.

    Source: "batch hard" of https://arxiv.org/abs/1703.07737, equation 5.
    """
    return _mined(tensorflow_addons().losses.triplet_hard_loss, labels, codes, margin)


def semi_hard(labels: tf.Tensor, codes: tf.Tensor, margin: float, _config: TrainConfig) -> tf.Tensor:
    """Of each pair the nearest negative that is farther than the positive.

    Source: FaceNet, https://arxiv.org/abs/1503.03832, section 3.2.
    """
    return _mined(tensorflow_addons().losses.triplet_semihard_loss, labels, codes, margin)


def _mined(loss: Callable, labels: tf.Tensor, codes: tf.Tensor, margin: float) -> tf.Tensor:
    # tensorflow-addons divides 0 by 0 where no two images are of one class.
    pairs, _ = positive_pairs(tf.reshape(labels, [-1]), mirrored=False)
    return tf.cond(tf.size(pairs) > 0,
                   lambda: loss(labels, codes, margin, distance_metric="squared-L2"),
                   lambda: tf.zeros([], tf.float32))
