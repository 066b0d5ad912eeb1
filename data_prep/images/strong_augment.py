"""Strong augmentation: what light, weather, cameras and hands do to a photograph.

Nothing is mirrored: the mirror image of a landmark is none, and its lettering and local features are others.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import tensorflow as tf

from data_prep.images.augmentations import Augmentation

# All chosen. Ranges are symmetric around no change.
_MAX_ANGLE = math.radians(12)
_MAX_SHEAR = 0.12  # pixels aside per pixel
_MAX_HUE = math.radians(12)
_SATURATION = (0.5, 1.5)
_CONTRAST = (0.6, 1.4)
_BRIGHTNESS = (0.7, 1.3)
_BLUR_DEVIATIONS = (0.0, 0.0, 0.0, 0.7, 1.2, 1.8)  # pixels; each as likely: half of the images stay sharp
_BLUR_RADIUS = 4  # pixels of the filter to either side
_LEAST_WEIGHT = 1e-3  # of a pixel in the filter
# From RGB to YIQ, Source: https://en.wikipedia.org/wiki/YIQ, from and to rows of three.
_YIQ = np.array([[0.299, 0.596, 0.211], [0.587, -0.274, -0.523], [0.114, -0.322, 0.312]], np.float32)
_SEED_MARK = 0x5745  # these numbers are others than those of the crop with the same seed


@tf.function
def distort(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """The image turned, sheared, blurred and of another hue, saturation, contrast and brightness.

    What the turn uncovers is filled with the image's own reflection. Same arguments, same pixels.

    Args:
        image: uint8 [size, size, 3].
        seed: int [2].

    Returns:
        uint8 [size, size, 3].
    """
    seed = tf.cast(seed, tf.int64) ^ tf.constant([_SEED_MARK, 0], tf.int64)
    angle, shear_x, shear_y, hue, saturation, contrast, brightness, blur = tf.unstack(
        tf.random.stateless_uniform([8], seed, -1.0, 1.0))
    choice = tf.cast((blur + 1) / 2 * len(_BLUR_DEVIATIONS), tf.int32)
    choice = tf.minimum(choice, len(_BLUR_DEVIATIONS) - 1)
    is_blurred = tf.gather(_BLUR_DEVIATIONS, choice) > 0
    pixels = _turned(tf.cast(image, tf.float32), angle * _MAX_ANGLE, shear_x * _MAX_SHEAR,
                     shear_y * _MAX_SHEAR, is_transposed=is_blurred)
    branches = [functools.partial(_gaussian, pixels, deviation) for deviation in _BLUR_DEVIATIONS]
    pixels = tf.ensure_shape(tf.switch_case(choice, branches), image.shape)
    return _coloured(pixels, hue * _MAX_HUE, _within(_SATURATION, saturation), _within(_CONTRAST, contrast),
                     _within(_BRIGHTNESS, brightness))


def _turned(pixels: tf.Tensor, angle: tf.Tensor, shear_x: tf.Tensor, shear_y: tf.Tensor,
            is_transposed: tf.Tensor) -> tf.Tensor:
    """Sheared, then turned, about the centre, and perhaps transposed; reflected at the borders."""
    size = pixels.shape[0]
    cosine, sine, centre = tf.cos(angle), tf.sin(angle), (size - 1) / 2
    xx, xy = cosine - sine * shear_y, cosine * shear_x - sine  # where a pixel of the result comes from
    yx, yy = sine + cosine * shear_y, sine * shear_x + cosine
    offset_x, offset_y = centre * (1 - xx - xy), centre * (1 - yx - yy)
    transform = tf.where(is_transposed, tf.stack([xy, xx, offset_x, yy, yx, offset_y, 0.0, 0.0]),
                         tf.stack([xx, xy, offset_x, yx, yy, offset_y, 0.0, 0.0]))
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=pixels[tf.newaxis], transforms=transform[tf.newaxis], output_shape=[size, size],
        interpolation="BILINEAR", fill_mode="REFLECT", fill_value=0.0)[0]


def _gaussian(pixels: tf.Tensor, deviation: float) -> tf.Tensor:
    """Filtered down the columns, transposed, and filtered once more; mirrored at the borders.

    Without a deviation the pixels as they are.
    """
    if not deviation:
        return pixels
    weights = np.exp(-np.arange(-_BLUR_RADIUS, _BLUR_RADIUS + 1) ** 2 / (2 * deviation**2))
    weights = weights[weights > _LEAST_WEIGHT * weights.sum()]
    radius, size = len(weights) // 2, pixels.shape[0]
    # A row of pixels as the channels of one: what is next to each other in memory is computed together.
    rows = tf.constant((weights / weights.sum())[:, None, None, None], tf.float32)
    rows = tf.tile(rows, [1, 1, 3 * size, 1])
    for is_first in (True, False):
        padded = tf.pad(pixels, [[radius, radius], [0, 0], [0, 0]], "REFLECT")
        padded = tf.reshape(padded, [1, size + 2 * radius, 1, 3 * size])
        filtered = tf.nn.depthwise_conv2d(padded, rows, [1, 1, 1, 1], "VALID")
        pixels = tf.reshape(filtered, [size, size, 3])
        pixels = tf.transpose(pixels, [1, 0, 2]) if is_first else pixels
    return pixels


def _coloured(pixels: tf.Tensor, hue: tf.Tensor, saturation: tf.Tensor, contrast: tf.Tensor,
              brightness: tf.Tensor) -> tf.Tensor:
    """Of other colours, then of another contrast around its mean, then brighter, as one matrix: uint8."""
    along, across = saturation * tf.cos(hue), saturation * tf.sin(hue)
    turn = tf.reshape(tf.stack([1.0, 0.0, 0.0, 0.0, along, across, 0.0, -across, along]), [3, 3])
    colours = _YIQ @ turn @ np.linalg.inv(_YIQ)
    mean = tf.reduce_mean(tf.reduce_mean(pixels, axis=0) @ colours)
    offset = mean * (1 - contrast) * brightness + 0.5
    rows = tf.reshape(pixels, [-1, 3]) @ (colours * contrast * brightness) + offset
    return tf.saturate_cast(tf.reshape(rows, pixels.shape), tf.uint8)


def _within(span: tuple[float, float], draw: tf.Tensor) -> tf.Tensor:
    """From the first to the second of `span`, as `draw` goes from -1 to 1."""
    return span[0] + (draw + 1) / 2 * (span[1] - span[0])


STRONG = Augmentation(crops=True, change=distort)
