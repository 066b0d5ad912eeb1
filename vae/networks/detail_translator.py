"""A network that translates a photograph and keeps its details, which a latent has no room for."""

from __future__ import annotations

import keras
import tensorflow as tf

WIDTHS = (16, 32, 64, 96)  # channels at a half, a quarter, an eighth and a sixteenth of the size; chosen
_MOST = 2.5  # logarithm of the gain, at most; chosen
_START = (0.5, 0.1)  # logarithm of the gain, and what is added, before training: a dark image turns lighter
_DARK = 0.02  # added to values before their logarithm; chosen


def build_detail_translator(widths: tuple[int, ...] = WIDTHS) -> keras.Model:
    """U-Net that gives each pixel a gain and an offset: details come by the gain, which is of the photograph.

    Source: U-Net, https://arxiv.org/abs/1505.04597, with bilinear enlargement and padded maps; it begins at
    half the size. The gain, the offset and the logarithm beside the photograph are ours.

    Args:
        widths: channels of each level, the finest first.

    Returns:
        Model from images, float32 [B, H, W, 3] RGB in [0, 1], sides multiples of TRANSLATOR_STRIDE, to the
        same; what it gives may leave [0, 1].
    """
    images = keras.Input((None, None, 3), name="images")
    dark = tf.math.log(images + _DARK) / 4 + 0.5  # about in [-0.5, 0.5]
    maps = _convolution(widths[0], 4, strides=2)(keras.layers.Concatenate()([images, dark]))
    finer = []
    for level, width in enumerate(widths):
        maps = _convolution(width, 3, strides=2 if level else 1)(maps)
        maps = _convolution(width, 3)(maps)
        finer.append(maps)
    for width, skip in zip(widths[-2::-1], finer[-2::-1]):
        maps = keras.layers.UpSampling2D(interpolation="bilinear")(keras.layers.Conv2D(width, 1)(maps))
        maps = keras.layers.Concatenate()([maps, skip])
        maps = _convolution(width, 3)(_convolution(width, 3)(maps))
    gain, offset = (
        keras.layers.UpSampling2D(interpolation="bilinear")(keras.layers.Conv2D(
            3, 3, padding="same", kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
            bias_initializer=keras.initializers.Constant(start))(maps)) for start in _START)
    return keras.Model(images, images * tf.exp(tf.clip_by_value(gain, -_MOST, _MOST)) + offset,
                       name="detail_translator")


def _convolution(width: int, size: int, strides: int = 1) -> keras.layers.Layer:
    return keras.layers.Conv2D(width, size, strides, padding="same", activation="relu",
                               kernel_initializer="he_normal")
