"""The two distances that channel weights are learnt for: position by position, and between descriptors."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from vae.networks.layers import LatentPooling


@dataclasses.dataclass(frozen=True)
class Distance:
    """How two images are compared.

    Attributes:
        features: from maps [B, h, w, C] and the grid of the model's descriptors to features [B, P, C].
        between: distances row by row, float32 [B], of two weighted features, float32 [B, P, C] each.
    """

    features: Callable[[np.ndarray, int], np.ndarray]
    between: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def _z_scores(maps: np.ndarray, _grid: int) -> np.ndarray:
    """Maps as [B, h * w, C], the channels at each position to mean 0 and deviation 1.

    Source: specs of the original, "unit norm": the deviation is the unbiased one, plus 1e-8.
    """
    flat = maps.reshape(len(maps), -1, maps.shape[-1])
    centred = flat - flat.mean(axis=-1, keepdims=True)
    return centred / (flat.std(axis=-1, ddof=1, keepdims=True) + 1e-8)


def _pooled(maps: np.ndarray, grid: int) -> np.ndarray:
    """Maps as means over grid * grid parts, [B, grid * grid, C], of unit norm per image."""
    flat = LatentPooling(grid)(maps).numpy()
    return flat.reshape(len(maps), grid * grid, maps.shape[-1])


def _mean_over_positions(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    squares = tf.reduce_sum(tf.math.squared_difference(first, second), axis=-1)
    return tf.reduce_mean(tf.sqrt(squares + 1e-12), axis=1)


def _of_unit_vectors(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    return _mean_over_positions(*(tf.reshape(
        tf.math.l2_normalize(features, axis=[1, 2], epsilon=1e-12), [tf.shape(features)[0], 1, -1])
        for features in (first, second)))


# The mean over positions of the weighted Euclidean distance, which presumes aligned views.
PAPER = Distance(_z_scores, _mean_over_positions)
# The Euclidean distance of the weighted features as one vector of unit norm, which an index can use.
POOLED = Distance(_pooled, _of_unit_vectors)
