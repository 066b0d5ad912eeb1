"""Which image files a set takes, and what it makes of those that its readers could not use as they are.

JPEG and PNG files are taken byte for byte. Only what has to be is encoded anew: WebP and GIF, which
TensorFlow's fast decoder does not read (of an animation the first frame), and images that EXIF wants turned.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import tensorflow as tf

from data_prep.images import image_headers

_JPEG_QUALITY = 95  # chosen
# EXIF orientation -> quarter turns against the clock, after mirroring left to right or not.
# Source: Exif 2.32, section 4.6.4, tag 0x0112.
_TURNS = {2: (0, True), 3: (2, False), 4: (2, True), 5: (1, True), 6: (3, False), 7: (3, True), 8: (1, False)}


class TakenImage(NamedTuple):
    """An image file as it goes into a shard."""

    encoded: bytes
    format: str  # "JPEG" or "PNG"
    height: int  # pixels
    width: int


def take_image(encoded: bytes, max_pixels: int = image_headers.MAX_PIXELS, upright: bool = True,
               decode_check: bool = False) -> TakenImage:
    """Checks an image file, and encodes it anew if it has to be.

    Args:
        encoded: JPEG, PNG, GIF or WebP file.
        max_pixels: larger images are refused before anything is decoded.
        upright: turn images by their EXIF orientation.
        decode_check: decode JPEG files too, which finds damage that the headers do not show; 1 ms and more.

    Raises:
        ValueError: with the reason, if the file cannot be used.
    """
    header = image_headers.check_image(encoded, max_pixels)
    turned = upright and header.orientation != 1
    if header.format == "JPEG" and not turned:
        if decode_check:
            decode_pixels(encoded, header.format)
        return TakenImage(encoded, "JPEG", header.height, header.width)
    pixels = decode_pixels(encoded, header.format)
    if header.format == "PNG":  # PNG is rare, and its damage does not show in headers
        return TakenImage(encoded, "PNG", header.height, header.width)
    if turned:
        quarter_turns, mirrored = _TURNS[header.orientation]
        pixels = np.rot90(pixels[:, ::-1] if mirrored else pixels, quarter_turns)
    image_format = "PNG" if header.format == "GIF" else "JPEG"  # flat colours stay flat
    options = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY] if image_format == "JPEG" else []
    _, buffer = cv2.imencode("." + image_format.lower(), np.ascontiguousarray(pixels[..., ::-1]), options)
    return TakenImage(buffer.tobytes(), image_format, *pixels.shape[:2])


def decode_pixels(encoded: bytes, image_format: str) -> np.ndarray:
    """The pixels as stored, of an animation the first frame: uint8 [height, width, 3], RGB.

    Raises:
        ValueError: if the file is damaged.
    """
    if image_format == "WEBP":
        pixels = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
        if pixels is None:
            raise ValueError("damaged WEBP: does not decode")
        return pixels[..., ::-1]
    try:  # the decoder of training reads PNG files too, and of a GIF file the first frame
        return tf.io.decode_image(encoded, channels=3, expand_animations=False).numpy()
    except tf.errors.OpError:
        raise ValueError(f"damaged {image_format}: does not decode") from None
