"""Strong augmentation: what light, weather, cameras and hands do to a photograph.

Nothing is mirrored: the mirror image of a landmark is none, and its lettering and local features are others.
"""

from __future__ import annotations

import math

import cv2
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
_BLUR_SIZE = (9, 9)  # pixels of the filter
# From RGB to YIQ, Source: https://en.wikipedia.org/wiki/YIQ, from and to rows of three.
_YIQ = np.array([[0.299, 0.596, 0.211], [0.587, -0.274, -0.523], [0.114, -0.322, 0.312]])
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
    draws = tf.random.stateless_uniform([8], seed, -1.0, 1.0)
    # OpenCV takes a quarter of the time of TensorFlow's operations, and Python's lock only to be called.
    changed = tf.numpy_function(_distorted, [image, draws], tf.uint8, stateful=False)
    return tf.ensure_shape(changed, image.shape)


def _distorted(image: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """What `distort` gives for its eight draws, each in [-1, 1]."""
    angle, shear_x, shear_y, hue, saturation, contrast, brightness, blur = draws.tolist()
    turn = _turn(image.shape[0], angle * _MAX_ANGLE, shear_x * _MAX_SHEAR, shear_y * _MAX_SHEAR)
    pixels = cv2.warpAffine(image, turn, image.shape[:2], flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                            borderMode=cv2.BORDER_REFLECT)
    choice = min(int((blur + 1) / 2 * len(_BLUR_DEVIATIONS)), len(_BLUR_DEVIATIONS) - 1)
    if deviation := _BLUR_DEVIATIONS[choice]:
        pixels = cv2.GaussianBlur(pixels, _BLUR_SIZE, deviation)
    return cv2.transform(pixels, _recolouring(cv2.mean(pixels)[:3], hue * _MAX_HUE,
                                              _within(_SATURATION, saturation), _within(_CONTRAST, contrast),
                                              _within(_BRIGHTNESS, brightness)))


def _turn(size: int, angle: float, shear_x: float, shear_y: float) -> np.ndarray:
    """Sheared, then turned, about the centre: where each pixel (x, y) comes from, float64 [2, 3]."""
    cosine, sine, centre = math.cos(angle), math.sin(angle), (size - 1) / 2
    matrix = np.array([[cosine, -sine], [sine, cosine]]) @ [[1, shear_x], [shear_y, 1]]
    return np.column_stack([matrix, centre * (1 - matrix.sum(axis=1))])


def _recolouring(mean: tuple[float, float, float], hue: float, saturation: float, contrast: float,
                 brightness: float) -> np.ndarray:
    """Other colours, then another contrast around the mean, then brighter: float64 [3, 4] of RGB and 1."""
    along, across = saturation * math.cos(hue), saturation * math.sin(hue)
    colours = _YIQ @ [[1, 0, 0], [0, along, across], [0, -across, along]] @ np.linalg.inv(_YIQ)
    offset = np.mean(mean @ colours) * (1 - contrast) * brightness
    return np.column_stack([colours.T * contrast * brightness, np.full(3, offset)])


def _within(span: tuple[float, float], draw: float) -> float:
    """From the first to the second of `span`, as `draw` goes from -1 to 1."""
    return span[0] + (draw + 1) / 2 * (span[1] - span[0])


STRONG = Augmentation(crops=True, change=distort)
