"""Layers of the VAE that Keras does not have; shapes are channels last."""

from __future__ import annotations

import keras
import tensorflow as tf

from data_prep.images.addons import tensorflow_addons
from delg.networks.replica_batch_norm import BatchNormalization


@keras.saving.register_keras_serializable(package="vae")
class GradientReversal(keras.layers.Layer):
    """Identity whose gradient is turned round: what precedes learns to make worse what follows.

    Source: https://arxiv.org/abs/1505.07818, section 4.2.

    Args:
        factor: the gradient is multiplied by minus this number.

    Input shape:
        any.

    Output shape:
        that of the input.
    """

    def __init__(self, factor=1.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, inputs):
        @tf.custom_gradient
        def reversal(values):
            return tf.identity(values), lambda gradient: -self.factor * gradient

        return reversal(inputs)

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


def batch_normalization(name: str, initial_scale: str = "ones",
                        synchronized: bool = False) -> keras.layers.Layer:
    """BatchNorm as in the original's framework, of the batch of a replica or, synchronized, of all.

    Source: https://arxiv.org/abs/1502.03167, algorithm 1.
    """
    layer = BatchNormalization if synchronized else keras.layers.BatchNormalization
    return layer(epsilon=1e-5, momentum=0.9, gamma_initializer=initial_scale, name=name)


def instance_normalization(name: str, initial_scale: str = "ones",
                           synchronized: bool = False) -> keras.layers.Layer:
    """Each channel of each image to mean 0 and variance 1, then learnt scale and offset; in float32.

    The scale starts as the initializer `initial_scale` says, the offset at zero.
    Source: https://arxiv.org/abs/1607.08022.

    Replacement without tensorflow-addons: keras.layers.GroupNormalization with as many groups as channels.
    """
    return tensorflow_addons().layers.InstanceNormalization(
        epsilon=1e-5, gamma_initializer=initial_scale, dtype="float32", name=name)


def layer_normalization(name: str, initial_scale: str = "ones",
                        synchronized: bool = False) -> keras.layers.Layer:
    """All channels of each image together to mean 0 and variance 1, then learnt scale and offset; in float32.

    Source: https://arxiv.org/abs/1607.06450, with a scale and an offset per channel as in MUNIT.

    Replacement without tensorflow-addons: keras.layers.GroupNormalization with one group.
    """
    return tensorflow_addons().layers.GroupNormalization(
        groups=1, epsilon=1e-5, gamma_initializer=initial_scale, dtype="float32", name=name)


@keras.saving.register_keras_serializable(package="vae")
class LatentCentring(keras.layers.Layer):
    """Subtracts the mean latent of a domain, position by position: of the batch in training, else the moving
    mean of training.

    What all images of a domain have in common, such as a bright sky, then tells no image from another.
    Source: domain-specific normalisation, https://arxiv.org/abs/1906.03950; of means alone and by position
    is ours, see docs/decisions/0045-vae-centred-latents.md.

    Args:
        size: cells along each side of the latents in training; the means are resized to others.
        momentum: share of the moving mean that a step keeps.

    Input shape:
        [B, h, w, C].

    Output shape:
        [B, h, w, C], float32.
    """

    def __init__(self, size, momentum=0.95, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.size = size
        self.momentum = momentum

    def build(self, input_shape):
        self.moving_mean = self.add_weight(
            name="moving_mean", shape=(self.size, self.size, input_shape[-1]), initializer="zeros",
            trainable=False, synchronization=tf.VariableSynchronization.ON_READ,
            aggregation=tf.VariableAggregation.MEAN)
        self.built = True

    def call(self, latent, training=None):
        maps = tf.cast(latent, tf.float32)
        if not training:
            return maps - tf.image.resize(self.moving_mean, tf.shape(maps)[1:3])
        mean = tf.reduce_mean(maps, axis=0)
        self.moving_mean.assign_sub((self.moving_mean - mean) * (1.0 - self.momentum))
        return maps - mean

    def get_config(self):
        return {**super().get_config(), "size": self.size, "momentum": self.momentum}


@keras.saving.register_keras_serializable(package="vae")
class LatentWhitening(keras.layers.Layer):
    """Multiplies the channels of each cell by a matrix that is measured, not learnt; see `domain_statistics`.

    At the start it is the identity.

    Input shape:
        [B, h, w, C].

    Output shape:
        [B, h, w, C], float32.
    """

    def __init__(self, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})

    def build(self, input_shape):
        channels = input_shape[-1]
        self.matrix = self.add_weight(name="matrix", shape=(channels, channels),
                                      initializer=keras.initializers.Identity(), trainable=False)
        self.built = True

    def call(self, latent):
        return tf.einsum("bhwc,cd->bhwd", tf.cast(latent, tf.float32), self.matrix)


@keras.saving.register_keras_serializable(package="vae")
class PartWeighting(keras.layers.Layer):
    """Multiplies the cells of each part of the image by a weight that is measured, not learnt; see
    `domain_statistics`.

    At the start all weights are 1. A cell belongs to the part that its middle lies in.

    Args:
        grid: parts along each side.

    Input shape:
        [B, h, w, C].

    Output shape:
        [B, h, w, C], float32.
    """

    def __init__(self, grid, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.grid = grid

    def build(self, input_shape):
        self.part_weights = self.add_weight(name="part_weights", shape=(self.grid, self.grid),
                                            initializer="ones", trainable=False)
        self.built = True

    def call(self, latent):
        cells = tf.image.resize(tf.convert_to_tensor(self.part_weights)[..., tf.newaxis],
                                tf.shape(latent)[1:3], "nearest")
        return tf.cast(latent, tf.float32) * cells

    def get_config(self):
        return {**super().get_config(), "grid": self.grid}


@keras.saving.register_keras_serializable(package="vae")
class LocalContrast(keras.layers.Layer):
    """Each pixel's logarithm less its mean around, over its deviation around, channel by channel.

    Whatever multiplies light smoothly, as night or a lamp does, leaves it nearly as it was.
    Source: local contrast normalisation, Jarrett et al., "What is the best multi-stage architecture for
    object recognition?", ICCV 2009, section 2.3; of logarithms, of squares that weigh alike, and the numbers
    are chosen.

    Args:
        size: side of what counts as around, pixels, odd.
        floor: least variance that is divided by.

    Input shape:
        [B, H, W, C], in [0, 1].

    Output shape:
        [B, H, W, C], float32.
    """

    def __init__(self, size=9, floor=0.01, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.size = size
        self.floor = floor

    def call(self, images):
        logarithms = tf.math.log1p(255.0 * tf.cast(images, tf.float32))
        centred = logarithms - self._around(logarithms)
        return centred * tf.math.rsqrt(self._around(tf.square(centred)) + self.floor)

    def _around(self, values):
        """Means over a square around each pixel, of what of it lies in the image."""
        return tf.nn.avg_pool2d(values, self.size, strides=1, padding="SAME")

    def get_config(self):
        return {**super().get_config(), "size": self.size, "floor": self.floor}


@keras.saving.register_keras_serializable(package="vae")
class LatentPooling(keras.layers.Layer):
    """The descriptor of an image: means of its latent over a grid of equal parts, side by side, of unit norm.

    A cell of the latent that lies in two parts counts in each by its share. Ours; the grid is chosen.

    Args:
        grid: parts along each side.

    Input shape:
        [B, h, w, C].

    Output shape:
        [B, grid * grid * C], float32.
    """

    def __init__(self, grid, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.grid = grid

    def call(self, latent):
        flat = tf.reshape(self.parts(latent), [tf.shape(latent)[0], self.grid * self.grid * latent.shape[-1]])
        return tf.math.l2_normalize(flat, axis=-1, epsilon=1e-12)

    def parts(self, latent):
        """The means, float32 [B, grid, grid, C], of a latent [B, h, w, C]."""
        maps = tf.cast(latent, tf.float32)
        shape = tf.shape(maps)
        return tf.einsum("ih,bhwc,jw->bijc", self._shares(shape[1]), maps, self._shares(shape[2]))

    def _shares(self, length):
        """How much each of `length` cells counts in the mean of each part, float32 [grid, length]."""
        size = tf.cast(length, tf.float32) / self.grid  # cells per part
        starts = tf.range(self.grid, dtype=tf.float32)[:, tf.newaxis] * size
        cells = tf.cast(tf.range(length), tf.float32)[tf.newaxis, :]
        overlap = tf.minimum(starts + size, cells + 1.0) - tf.maximum(starts, cells)
        return tf.maximum(overlap, 0.0) / size

    def get_config(self):
        return {**super().get_config(), "grid": self.grid}
