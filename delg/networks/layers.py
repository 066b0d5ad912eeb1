"""Layers of DELG that Keras does not have; shapes are channels last."""

from __future__ import annotations

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="delg")
class ImageNormalization(keras.layers.Layer):
    """Turns RGB images in 0..255 into what a pretrained backbone was trained on.

    Works in float32 whatever the mixed precision policy, since bfloat16 has too few digits for 0..255.
    Source: the preprocessing that each published network was trained with; the numbers stand with its record.

    Args:
        mean: 3 numbers, 0..255, in RGB order, subtracted first.
        deviation: 3 numbers, 0..255, in RGB order, divided by next.
        reverse_channels: put the channels in BGR order at the end.

    Input shape:
        [B, H, W, 3], uint8 or float, RGB, 0..255.

    Output shape:
        [B, H, W, 3], float32.
    """

    def __init__(self, mean, deviation, reverse_channels=False, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.mean = [float(value) for value in mean]
        self.deviation = [float(value) for value in deviation]
        self.reverse_channels = reverse_channels

    def call(self, images):
        normalised = (tf.cast(images, tf.float32) - self.mean) / self.deviation
        return normalised[..., ::-1] if self.reverse_channels else normalised

    def get_config(self):
        return {**super().get_config(), "mean": self.mean, "deviation": self.deviation,
                "reverse_channels": self.reverse_channels}


@keras.saving.register_keras_serializable(package="delg")
class PadToMultiple(keras.layers.Layer):
    """Adds rows of zeros below and columns to the right until sides are multiples of `multiple`.

    A convolution of stride 2 with `same` padding pads an even side at its end only but an odd side at both
    ends, which moves every cell by a pixel. After this layer all sides are even and cells stay put. Ours.

    Args:
        multiple: cells; 2, or where maps of further convolutions must have even sides too a power of it.

    Input shape:
        [B, H, W, C].

    Output shape:
        [B, H, W, C], H and W rounded up to multiples.
    """

    def __init__(self, multiple, **kwargs):
        super().__init__(**kwargs)
        self.multiple = multiple

    def call(self, maps):
        missing = -tf.shape(maps)[1:3] % self.multiple
        padded = tf.pad(maps, [[0, 0], [0, missing[0]], [0, missing[1]], [0, 0]])
        return tf.ensure_shape(padded, self.compute_output_shape(maps.shape))  # known sides stay known

    def compute_output_shape(self, input_shape):
        batch, *sides, channels = input_shape
        return (batch, *(side and side + -side % self.multiple for side in sides), channels)

    def get_config(self):
        return {**super().get_config(), "multiple": self.multiple}


@keras.saving.register_keras_serializable(package="delg")
class PadToSide(keras.layers.Layer):
    """Adds rows of zeros below and columns to the right of maps that are less than `side` high or wide.

    Args:
        side: cells.

    Input shape:
        [B, H, W, C].

    Output shape:
        [B, max(H, side), max(W, side), C].
    """

    def __init__(self, side, **kwargs):
        super().__init__(**kwargs)
        self.side = side

    def call(self, maps):
        missing = tf.maximum(self.side - tf.shape(maps)[1:3], 0)
        return tf.pad(maps, [[0, 0], [0, missing[0]], [0, missing[1]], [0, 0]])

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        return (batch, height and max(height, self.side), width and max(width, self.side), channels)

    def get_config(self):
        return {**super().get_config(), "side": self.side}


@keras.saving.register_keras_serializable(package="delg")
class Subsampling(keras.layers.Layer):
    """Keeps every `step`-th cell of a map, the first included: stride 32, which the reference's training has.

    Source: the stride of its feature map, tensorflow/models, research/delf, training.

    Args:
        step: cells, at least 1.

    Input shape:
        [B, h, w, C].

    Output shape:
        [B, ceil(h / step), ceil(w / step), C].
    """

    def __init__(self, step, **kwargs):
        super().__init__(**kwargs)
        self.step = step

    def call(self, maps):
        return maps[:, ::self.step, ::self.step]

    def get_config(self):
        return {**super().get_config(), "step": self.step}


@keras.saving.register_keras_serializable(package="delg")
class StopGradient(keras.layers.Layer):
    """Identity whose gradient is zero: what follows cannot move what precedes. Any shape.

    Source: DELG, section 3, https://arxiv.org/abs/2001.05027, which trains its local branches so.
    """

    def call(self, inputs):
        return tf.stop_gradient(inputs)


@keras.saving.register_keras_serializable(package="delg")
class L2Normalization(keras.layers.Layer):
    """Divides each vector along the last axis by its Euclidean norm; zero stays zero. Any shape, float32.

    Source: DELG, section 3.1, https://arxiv.org/abs/2001.05027, for both kinds of descriptors.
    """

    def __init__(self, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})

    def call(self, inputs):
        return tf.math.l2_normalize(inputs, axis=-1, epsilon=1e-12)


@keras.saving.register_keras_serializable(package="delg")
class Norm(keras.layers.Layer):
    """Euclidean norm of each vector along the last axis: [..., C] to [..., 1], float32.

    Source: HOW, section 3.3, https://arxiv.org/abs/2007.13172, whose attention of a cell it is.
    """

    def __init__(self, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})

    def call(self, inputs):
        return tf.norm(tf.cast(inputs, tf.float32), axis=-1, keepdims=True)


@keras.saving.register_keras_serializable(package="delg")
class GeMPooling(keras.layers.Layer):
    """Generalised mean of each channel over the map: (mean of x^p)^(1/p), computed in float32.

    p = 1 is the mean; the larger p, the closer to the maximum. Of signed maps x^p keeps the sign of x, and
    the root that of the mean.
    Source: DELG, section 3.1, https://arxiv.org/abs/2001.05027; https://arxiv.org/abs/1711.02512, equation 3.
    Of signed maps: the code of AnyLoc, https://arxiv.org/abs/2308.00688, for the tokens of DINOv2.

    Args:
        power: p at the start, positive.
        learnable: whether p is trained.
        epsilon: floor of x, of signed maps of its size, so that x^p and its gradient exist.
        signed: whether maps are signed; else what is negative counts as epsilon.

    Input shape:
        [B, h, w, C].

    Output shape:
        [B, C], float32, at least epsilon unless signed.
    """

    def __init__(self, power=3.0, learnable=False, epsilon=1e-6, signed=False, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        if power <= 0:
            raise ValueError(f"`power` must be positive. Received: power={power}.")
        self.power = float(power)
        self.learnable = learnable
        self.epsilon = epsilon
        self.signed = signed

    def build(self, input_shape):
        self.exponent = self.add_weight(
            name="power", shape=(), initializer=keras.initializers.Constant(self.power),
            trainable=self.learnable)
        self.built = True

    def call(self, maps):
        # Divided by the channel's maximum, so that x^p cannot overflow or vanish for any p.
        maps = tf.cast(maps, tf.float32)
        floored = tf.maximum(tf.abs(maps) if self.signed else maps, self.epsilon)
        peak = tf.stop_gradient(tf.reduce_max(floored, axis=[1, 2], keepdims=True))
        power = tf.cast(self.exponent, tf.float32)
        powers = tf.pow(floored / peak, power)
        if self.signed:  # the root's slope at 0 is held finite
            mean = tf.reduce_mean(tf.sign(maps) * powers, axis=[1, 2])
            root = mean * tf.pow(tf.square(mean) + self.epsilon**2, (1.0 / power - 1.0) / 2.0)
        else:
            root = tf.pow(tf.reduce_mean(powers, axis=[1, 2]), 1.0 / power)
        return tf.squeeze(peak, axis=[1, 2]) * root

    def get_config(self):
        return {**super().get_config(), "power": self.power, "learnable": self.learnable,
                "epsilon": self.epsilon, "signed": self.signed}


@keras.saving.register_keras_serializable(package="delg")
class CosineClassifier(keras.layers.Layer):
    """Cosine between each descriptor and the learnt direction of each class, in float32.

    A class may have several directions, of which the nearest counts: photographs of a landmark from other
    sides, from inside, or with a wrong label, then need not pull at one. Margins and scale belong to the
    loss.
    Source: NormFace, https://arxiv.org/abs/1704.06369, section 3; of several directions "Sub-center ArcFace",
    ECCV 2020, http://www.ecva.net/papers/eccv_2020/papers_ECCV/html/1445_ECCV_2020_paper.php.

    Args:
        num_classes: C.
        num_subcenters: directions per class, at least 1.

    Input shape:
        [B, D].

    Output shape:
        [B, C], float32, in [-1, 1] up to rounding.
    """

    def __init__(self, num_classes, num_subcenters=1, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.num_classes = num_classes
        self.num_subcenters = num_subcenters

    def build(self, input_shape):
        self.kernel = self.add_weight(  # the first direction of every class, then the second of every class
            name="kernel", shape=(input_shape[-1], self.num_subcenters * self.num_classes),
            initializer="glorot_uniform")
        self.built = True

    def call(self, descriptors):
        directions = tf.math.l2_normalize(tf.cast(self.kernel, tf.float32), axis=0)
        cosines = tf.matmul(tf.math.l2_normalize(tf.cast(descriptors, tf.float32), axis=-1), directions)
        if self.num_subcenters == 1:
            return cosines
        return tf.reduce_max(tf.reshape(cosines, [-1, self.num_subcenters, self.num_classes]), axis=1)

    def get_config(self):
        return {**super().get_config(), "num_classes": self.num_classes,
                "num_subcenters": self.num_subcenters}


@keras.saving.register_keras_serializable(package="delg")
class ReconstructionError(keras.layers.Layer):
    """Mean squared difference of two maps, one number per image, in float32.

    Source: DELG, section 3, https://arxiv.org/abs/2001.05027, the loss of its autoencoder.

    Input shape:
        a pair of [B, h, w, C]: the map and its reconstruction.

    Output shape:
        [B], float32.
    """

    def __init__(self, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})

    def call(self, maps):
        original, reconstruction = (tf.cast(each, tf.float32) for each in maps)
        return tf.reduce_mean(tf.math.squared_difference(original, reconstruction), axis=[1, 2, 3])


@keras.saving.register_keras_serializable(package="delg")
class CosineDistance(keras.layers.Layer):
    """1 - the cosine between two descriptors, half the square of the distance of unit vectors, in float32.

    Input shape:
        a pair of [B, D], of unit norm.

    Output shape:
        [B], float32, in [0, 2].
    """

    def __init__(self, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})

    def call(self, descriptors):
        first, second = (tf.cast(each, tf.float32) for each in descriptors)
        return 1.0 - tf.reduce_sum(first * second, axis=-1)
