"""Small encoded images for the tests, each made from its arguments alone."""

import io
import struct

import cv2
import numpy as np
from PIL import Image


def pixels(height: int = 48, width: int = 64, seed: int = 0) -> np.ndarray:
    """Smooth random colours: uint8 [height, width, 3]."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def encode(image: np.ndarray, image_format: str = "JPEG", mode: str = "RGB", **options) -> bytes:
    """Image file of RGB pixels; `mode` is one of Pillow's: L, RGB, CMYK, P, LA, RGBA."""
    buffer = io.BytesIO()
    options = {"quality": 95, **options} if image_format == "JPEG" else options
    Image.fromarray(image).convert(mode).save(buffer, image_format, **options)
    return buffer.getvalue()


def jpeg(seed: int = 0, **options) -> bytes:
    """A JPEG file of 64 x 48 pixels."""
    return encode(pixels(seed=seed), "JPEG", **options)


def exif(orientation: int, little_endian: bool = True) -> bytes:
    """EXIF data that says nothing but an orientation."""
    order = "<" if little_endian else ">"
    return b"Exif\0\0" + (b"II" if little_endian else b"MM") + struct.pack(
        order + "HIHHHIHHI", 42, 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def with_size(encoded: bytes, height: int, width: int) -> bytes:
    """A baseline JPEG file whose header lies about its size."""
    start = encoded.index(b"\xff\xc0") + 5
    return encoded[:start] + height.to_bytes(2, "big") + width.to_bytes(2, "big") + encoded[start + 4:]
