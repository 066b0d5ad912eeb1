"""From encoded images to pixels: TensorFlow functions without hidden state.

EXIF orientation is left alone, as in the reference, so that boxes and keypoints mean stored pixels.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import cv2
import numpy as np
import tensorflow as tf

# Source: the reference training (tensorflow/models, research/delf); no horizontal flip, no colour change.
MIN_CROP_AREA = 0.08  # of the image
_CROP_ASPECT = (3 / 4, 4 / 3)  # width over height
_CROP_ATTEMPTS = 100
_RATIOS = (1, 2, 4, 8)  # by which the JPEG decoder can shrink
_AREA_FROM = 1.6  # times the result: a longer side from which on bilinear resizing would skip pixels; chosen
_WHOLE_IMAGE = (((0.0, 0.0, 1.0, 1.0),),)


def decode_image(encoded: tf.Tensor) -> tf.Tensor:
    """The pixels of a JPEG (grey, colour or CMYK) or PNG (any kind): uint8 [height, width, 3], RGB.

    An alpha channel is dropped. A truncated image raises `tf.errors.InvalidArgumentError`.
    """
    image = tf.io.decode_jpeg(encoded, channels=3)  # the operation decodes PNG as well
    return tf.ensure_shape(image, [None, None, 3])


def random_crops(encoded: tf.Tensor, image_size: int, seeds: tf.Tensor,
                 min_area: float = MIN_CROP_AREA,
                 change: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] | None = None) -> tf.Tensor:
    """The paper's augmentation of a few images: of each a random part, made square.

    The part has `min_area` to 1 of the image's area and an aspect between 3/4 and 4/3. Of a JPEG only that
    part is decoded, shrunk by the decoder where it has twice `image_size` or more. The same arguments give
    the same pixels.

    Args:
        encoded: string [n], n known; JPEG or PNG.
        image_size: side of the result, pixels.
        seeds: int [n, 2].
        min_area: in (0, 1]; the paper's is 0.08.
        change: what each part becomes next, see `augmentations.Augmentation`; None: it stays.

    Returns:
        uint8 [n, image_size, image_size, 3].
    """
    num_images = encoded.shape[0]

    def resize(*crops: np.ndarray) -> np.ndarray:
        resized = np.empty((num_images, image_size, image_size, 3), np.uint8)
        for crop, place in zip(crops, resized):
            shrinks = max(crop.shape[:2]) > _AREA_FROM * image_size
            cv2.resize(crop, (image_size, image_size), dst=place,
                       interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        return resized

    crops = [_random_part(encoded[number], image_size, seeds[number], min_area)
             for number in range(num_images)]
    # OpenCV's bilinear resizing takes a quarter of the time of TensorFlow's operations, and serves for crops
    # that shrink a little or grow; the others are averaged, as in the reference.
    resized = tf.numpy_function(resize, crops, tf.uint8, stateful=False)
    images = tf.ensure_shape(resized, [num_images, image_size, image_size, 3])
    if change is None:
        return images
    return tf.stack([change(images[number], seeds[number]) for number in range(num_images)])


@tf.function
def _random_part(encoded: tf.Tensor, image_size: int, seed: tf.Tensor, min_area: float) -> tf.Tensor:
    """A part of an image, shrunk at most to `image_size`: uint8 [height, width, 3]."""
    def of_jpeg(ratio: int) -> tf.Tensor:  # windows are in pixels of the scaled image
        return tf.io.decode_and_crop_jpeg(encoded, window // ratio, channels=3, ratio=ratio)

    def of_png() -> tf.Tensor:
        y, x, height, width = tf.unstack(window)
        return decode_image(encoded)[y:y + height, x:x + width]

    window = _random_window(_shape(encoded), seed, min_area)
    choice = _choose_ratio(window[2:], image_size)
    ratio = tf.gather(_RATIOS, choice)
    window = window // ratio * ratio  # on whole pixels of the scaled image
    return _decode_scaled(encoded, choice, of_jpeg, of_png)


@tf.function
def resize_whole(encoded: tf.Tensor, image_size: int) -> tf.Tensor:
    """The whole image made square, its aspect not kept: uint8 [image_size, image_size, 3].

    Shrinking averages over all pixels; a JPEG of twice the size or more begins with that as it is decoded. An
    image with a side below `image_size` is resized bilinearly.
    """
    image = _decode_scaled(encoded, _choose_ratio(_shape(encoded)[:2], image_size),
                           lambda ratio: tf.io.decode_jpeg(encoded, channels=3, ratio=ratio),
                           lambda: decode_image(encoded))
    size = [image_size, image_size]
    shrinks = tf.reduce_min(tf.shape(image)[:2]) >= image_size
    resized = tf.cond(shrinks, lambda: tf.image.resize(image, size, method="area"),  # 3 times faster
                      lambda: tf.image.resize(image, size, antialias=True))
    resized = tf.cast(resized + 0.5, tf.uint8)  # resizing stays within [0, 255], so that this rounds
    return tf.ensure_shape(resized, [image_size, image_size, 3])


def _shape(encoded: tf.Tensor) -> tf.Tensor:
    """Height, width and channels of a JPEG or PNG that decodes to three channels, int32 [3]."""
    return tf.cond(tf.io.is_jpeg(encoded), lambda: tf.io.extract_jpeg_shape(encoded),
                   lambda: tf.shape(decode_image(encoded)))


def _choose_ratio(size: tf.Tensor, image_size: int) -> tf.Tensor:
    """Place in `_RATIOS` of the largest by which both sides of `size` shrink to `image_size` at least."""
    return tf.reduce_sum(tf.cast(tf.reduce_min(size) // image_size >= _RATIOS[1:], tf.int32))


def _decode_scaled(encoded: tf.Tensor, choice: tf.Tensor, of_jpeg: Callable[[int], tf.Tensor],
                   of_png: Callable[[], tf.Tensor]) -> tf.Tensor:
    """What one of the functions decodes; that for a JPEG is given the ratio chosen."""
    choice = tf.where(tf.io.is_jpeg(encoded), choice, len(_RATIOS))
    pixels = tf.switch_case(choice, [*(functools.partial(of_jpeg, ratio) for ratio in _RATIOS), of_png])
    return tf.ensure_shape(pixels, [None, None, 3])


def _random_window(shape: tf.Tensor, seed: tf.Tensor, min_area: float) -> tf.Tensor:
    """y, x, height, width of a random part, int32 [4]; `shape` is height, width, channels."""
    begin, size, _ = tf.image.stateless_sample_distorted_bounding_box(
        shape, tf.constant(_WHOLE_IMAGE, tf.float32), seed, min_object_covered=0.1,
        aspect_ratio_range=_CROP_ASPECT, area_range=(min_area, 1.0), max_attempts=_CROP_ATTEMPTS)
    return tf.concat([begin[:2], size[:2]], axis=0)
