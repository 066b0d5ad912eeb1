"""One weight per channel of a frozen latent, learnt from triplets; one layer of it or several.

Features of an image are [P, C]: the channels at P positions of the latent map; a record of `distances` says
how two are compared.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf

from vae.weighting.config import DISTANCES


@keras.saving.register_keras_serializable(package="vae")
class ChannelWeights(keras.layers.Layer):
    """Multiplies channels by learnt weights, not negative, whose mean square is 1.

    A free scale would let the hinge fall without any change of the ranking; the root of the mean square is
    what a Euclidean distance grows with, so it is held. All weights are 1 at the start. Ours: see
    docs/decisions/0047-vae-channel-weights.md.

    Input shape:
        [..., C].

    Output shape:
        [..., C], float32.
    """

    def __init__(self, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})

    def build(self, input_shape):
        start = math.log(math.e - 1.0)  # softplus of it is 1
        self.raw = self.add_weight(name="raw", shape=(input_shape[-1],),
                                   initializer=keras.initializers.Constant(start))
        self.built = True

    def weights_of_channels(self) -> tf.Tensor:
        """float32 [C], at least 0, mean square 1."""
        weights = tf.nn.softplus(tf.convert_to_tensor(self.raw))
        return weights * tf.math.rsqrt(tf.reduce_mean(tf.square(weights)) + 1e-12)

    def call(self, features):
        return tf.cast(features, tf.float32) * self.weights_of_channels()


@keras.saving.register_keras_serializable(package="vae")
class TripletDistances(keras.layers.Layer):
    """Distances from anchor to positive and to negative, for the loss of FaceNet, section 3.1.

    Source: https://arxiv.org/abs/1503.03832.

    Args:
        distance: one of `config.DISTANCES`.
        unit: what distances are divided by.

    Input shape:
        [B, 3, P, C]: anchor, positive, negative.

    Output shape:
        [B, 2], float32.
    """

    def __init__(self, distance, unit, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.distance, self.unit = distance, float(unit)

    def call(self, triplets):
        anchor, positive, negative = tf.unstack(triplets, axis=1)
        return tf.stack([DISTANCES[self.distance].between(anchor, other)
                         for other in (positive, negative)], axis=1) / self.unit

    def get_config(self):
        return {**super().get_config(), "distance": self.distance, "unit": self.unit}


def shrunk(weights: np.ndarray, shrinkage: float) -> np.ndarray:
    """Weights drawn towards 1, their mean square again 1.

    Those learnt from few places follow these places too far; half the way is better on others. Ours: see
    docs/decisions/0096-vae-relit-contrast.md.

    Args:
        weights: float [C], not negative.
        shrinkage: share of the way, in [0, 1).

    Returns:
        float32 [C].
    """
    drawn = shrinkage + (1.0 - shrinkage) * np.asarray(weights, np.float64)
    return (drawn / np.sqrt(np.mean(drawn**2))).astype(np.float32)


def build_weighting(layers: Mapping[str, tuple[int, int]], distance: str,
                    units: Mapping[str, float]) -> keras.Model:
    """Model from the features of triplets, a dict by layer, to the distances [B, 2], means over the layers.

    Deep feature matching: every layer has weights of its own, in a layer `weights_LAYER`.

    Args:
        layers: name to positions and channels, P and C.
        distance: one of `config.DISTANCES`.
        units: of each layer, the mean distance of different places before weighting, so that all count alike.
    """
    inputs = {name: keras.Input((3, *shape), name=name) for name, shape in layers.items()}
    found = [TripletDistances(distance, units[name], name=f"distances_{name}")(
        ChannelWeights(name=f"weights_{name}")(features)) for name, features in inputs.items()]
    mean = keras.layers.Average(name="distances")(found) if len(found) > 1 else found[0]
    return keras.Model(inputs, mean, name="channel_weighting")


@keras.saving.register_keras_serializable(package="vae")
class TripletHinge(keras.losses.Loss):
    """max(0, d(anchor, positive) - d(anchor, negative) + margin) of each triplet; targets are not looked at.

    The original takes the hinge of the batch's means, so that easy triplets hide hard ones.
    Source: FaceNet, https://arxiv.org/abs/1503.03832, section 3.1, of distances not squared.

    Args:
        margin: in the unit of the distances.
    """

    def __init__(self, margin, name="triplet_hinge", **kwargs):
        super().__init__(name=name, **kwargs)
        self.margin = margin

    def call(self, y_true, y_pred):
        return tf.nn.relu(y_pred[:, 0] - y_pred[:, 1] + self.margin)

    def get_config(self):
        return {**super().get_config(), "margin": self.margin}


def triplet_accuracy(y_true, y_pred):
    """Whether the positive is nearer than the negative, float32 [B]."""
    return tf.cast(y_pred[:, 0] < y_pred[:, 1], tf.float32)
