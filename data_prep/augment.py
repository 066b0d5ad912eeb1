"""From an encoded image to pixels: TensorFlow functions, one image in, one out, without hidden state.

EXIF orientation is left alone, as in the reference, so that boxes and keypoints mean stored pixels.
"""

from __future__ import annotations

import tensorflow as tf

# Source: the reference training of DELG (specs/delg.md 1.4); no horizontal flip, no colour change.
MIN_CROP_AREA = 0.08  # of the image
_CROP_ASPECT = (3 / 4, 4 / 3)  # width over height
_CROP_ATTEMPTS = 100
_WHOLE_IMAGE = (((0.0, 0.0, 1.0, 1.0),),)


def decode_image(encoded: tf.Tensor) -> tf.Tensor:
    """The pixels of a JPEG (grey, colour or CMYK) or PNG (any kind): uint8 [height, width, 3], RGB.

    An alpha channel is dropped. A truncated image raises `tf.errors.InvalidArgumentError`.
    """
    image = tf.io.decode_jpeg(encoded, channels=3)  # the operation decodes PNG as well
    return tf.ensure_shape(image, [None, None, 3])


def random_crop(encoded: tf.Tensor, image_size: int, seed: tf.Tensor,
                min_area: float = MIN_CROP_AREA) -> tf.Tensor:
    """The paper's augmentation: a random part of the image, made square.

    The part has `min_area` to 1 of the image's area and an aspect between 3/4 and 4/3. Of a JPEG only that
    part is decoded. The same arguments give the same pixels.

    Args:
        encoded: string []; JPEG or PNG.
        image_size: side of the result, pixels.
        seed: int [2].
        min_area: in (0, 1]; the paper's is 0.08.

    Returns:
        uint8 [image_size, image_size, 3].
    """
    def of_jpeg() -> tf.Tensor:
        window = _random_window(tf.io.extract_jpeg_shape(encoded), seed, min_area)
        return tf.io.decode_and_crop_jpeg(encoded, window, channels=3)

    def of_png() -> tf.Tensor:
        image = decode_image(encoded)
        y, x, height, width = tf.unstack(_random_window(tf.shape(image), seed, min_area))
        return image[y:y + height, x:x + width]

    crop = tf.cond(tf.io.is_jpeg(encoded), of_jpeg, of_png)
    return _to_uint8(tf.image.resize(crop, [image_size, image_size], method="area"), image_size)


def resize_whole(encoded: tf.Tensor, image_size: int) -> tf.Tensor:
    """The whole image made square, its aspect not kept: uint8 [image_size, image_size, 3].

    Shrinking averages over all pixels; an image with a side below `image_size` is resized bilinearly.
    """
    image = decode_image(encoded)
    size = [image_size, image_size]
    shrinks = tf.reduce_min(tf.shape(image)[:2]) >= image_size
    resized = tf.cond(shrinks, lambda: tf.image.resize(image, size, method="area"),  # 3 times faster
                      lambda: tf.image.resize(image, size, antialias=True))
    return _to_uint8(resized, image_size)


def _random_window(shape: tf.Tensor, seed: tf.Tensor, min_area: float) -> tf.Tensor:
    """y, x, height, width of a random part, int32 [4]; `shape` is height, width, channels."""
    begin, size, _ = tf.image.stateless_sample_distorted_bounding_box(
        shape, tf.constant(_WHOLE_IMAGE, tf.float32), seed, min_object_covered=0.1,
        aspect_ratio_range=_CROP_ASPECT, area_range=(min_area, 1.0), max_attempts=_CROP_ATTEMPTS)
    return tf.concat([begin[:2], size[:2]], axis=0)


def _to_uint8(image: tf.Tensor, image_size: int) -> tf.Tensor:
    image = tf.cast(image + 0.5, tf.uint8)  # resizing stays within [0, 255], so that this rounds
    return tf.ensure_shape(image, [image_size, image_size, 3])
