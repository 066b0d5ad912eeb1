"""Strong augmentation: what light, weather, cameras and hands do to a photograph.

Of tensorflow-addons, which has ended development, it uses four functions. To replace them: `transform`, whose
core is tf.raw_ops.ImageProjectiveTransformV3, by that operation; `gaussian_filter2d` by
tf.nn.depthwise_conv2d with a Gaussian kernel; `adjust_hsv_in_yiq` by a product with a 3 x 3 matrix.

Nothing is mirrored: the mirror image of a landmark is none, and its lettering and local features are others.
"""

from __future__ import annotations

import functools
import math

import tensorflow as tf

from data_prep.images.addons import tensorflow_addons
from data_prep.images.augmentations import Augmentation

# All chosen. Ranges are symmetric around no change.
_MAX_ANGLE = math.radians(12)
_MAX_SHEAR = 0.12  # pixels aside per pixel
_MAX_HUE = math.radians(12)
_SATURATION = (0.5, 1.5)
_CONTRAST = (0.6, 1.4)
_BRIGHTNESS = (0.7, 1.3)
_BLUR_DEVIATIONS = (0.0, 0.0, 0.0, 0.7, 1.2, 1.8)  # pixels; each as likely: half of the images stay sharp
_BLUR_WIDTH = 9  # pixels of the filter
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
    addons = tensorflow_addons()
    pixels = tf.cast(image, tf.float32) / 255.0
    pixels = addons.image.transform(
        pixels, _turn(angle * _MAX_ANGLE, shear_x * _MAX_SHEAR, shear_y * _MAX_SHEAR, image.shape[0]),
        interpolation="bilinear", fill_mode="reflect")
    pixels = _blur(pixels, blur)
    pixels = addons.image.adjust_hsv_in_yiq(pixels, hue * _MAX_HUE, _within(_SATURATION, saturation), 1.0)
    mean = tf.reduce_mean(pixels)
    pixels = ((pixels - mean) * _within(_CONTRAST, contrast) + mean) * _within(_BRIGHTNESS, brightness)
    return tf.cast(tf.clip_by_value(pixels * 255.0 + 0.5, 0.0, 255.0), tf.uint8)


def _turn(angle: tf.Tensor, shear_x: tf.Tensor, shear_y: tf.Tensor, size: int) -> tf.Tensor:
    """Rotation and shear about the centre, as a projective transform [1, 8]."""
    addons = tensorflow_addons()
    centre = (size - 1) / 2
    shear = tf.stack([1.0, shear_x, -shear_x * centre, shear_y, 1.0, -shear_y * centre, 0.0, 0.0])
    rotation = addons.image.angles_to_projective_transforms(angle, float(size), float(size))
    return addons.image.compose_transforms([rotation, shear[tf.newaxis]])


def _blur(pixels: tf.Tensor, draw: tf.Tensor) -> tf.Tensor:
    """Blurred by one of `_BLUR_DEVIATIONS`, which `draw` in [-1, 1) chooses."""
    def by(deviation: float) -> tf.Tensor:
        if not deviation:
            return pixels
        return tensorflow_addons().image.gaussian_filter2d(pixels, _BLUR_WIDTH, deviation)

    count = len(_BLUR_DEVIATIONS)
    choice = tf.cast((draw + 1) / 2 * count, tf.int32)
    branches = [functools.partial(by, deviation) for deviation in _BLUR_DEVIATIONS]
    return tf.ensure_shape(tf.switch_case(tf.minimum(choice, count - 1), branches), pixels.shape)


def _within(span: tuple[float, float], draw: tf.Tensor) -> tf.Tensor:
    """From the first to the second of `span`, as `draw` goes from -1 to 1."""
    return span[0] + (draw + 1) / 2 * (span[1] - span[0])


STRONG = Augmentation(crops=True, change=distort)
