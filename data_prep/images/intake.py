"""The one way in for image files: which are taken, and what is made of those that readers could not use.

JPEG and PNG files are taken byte for byte. Only what has to be is encoded anew: the formats that TensorFlow's
fast decoder does not read (of an animation the first frame), as PNG where they lose nothing and else as
JPEG, and photographs that their orientation wants turned.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import cv2
import numpy as np
from PIL import AvifImagePlugin, ImageOps, TiffImagePlugin

from data_prep.images import image_headers, orientation, tiff_data
from data_prep.stage.lazy_module import LazyModule

tf = LazyModule("tensorflow")

MAX_FILE_BYTES = 1 << 28  # chosen; an example may not reach 2 GiB
NO_HEIC_READER = "HEIC is read where the package pillow-heif is installed"
_JPEG_QUALITY = 95  # chosen
_AS_PNG = ("PNG", "GIF", "BMP", "TIFF")  # what is encoded anew without loss: flat colours stay flat


class TakenImage(NamedTuple):
    """An image file as it goes into a shard."""

    encoded: bytes
    format: str  # "JPEG" or "PNG"
    height: int  # pixels
    width: int
    orientation: int = 1  # of the file, which it was turned by; 1: it is as the file


def read_image(path: str) -> TakenImage:
    """The image file at a path, as a build would take it; it decodes.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it cannot be used; the message names the file.
    """
    with _reading(path) as encoded:
        return take_image(encoded, decode_check=True)


def read_picture(path: str) -> np.ndarray:
    """An image file to look at, upright: uint8 [height, width, 3], RGB.

    What is decoded by OpenCV, which is there at once, may differ by a little from what models see.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it cannot be used; the message names the file.
    """
    with _reading(path) as encoded:
        header = image_headers.check_image(encoded, image_headers.MAX_PIXELS)
        decoder = _DECODERS.get(header.format, _by_opencv)
        pixels = decoder(encoded)
        if pixels is None:
            pixels = decode_pixels(encoded, header.format)
        return np.ascontiguousarray(orientation.turned_upright(pixels, header.orientation))


@contextlib.contextmanager
def _reading(path: str) -> Iterator[bytes]:
    """The bytes of an image file; errors in the block name it."""
    if not os.path.isfile(path):
        raise FileNotFoundError(f"An image must be a file. Received: {path!r}, which does not exist.")
    try:
        check_file_size(os.path.getsize(path))
        with open(path, "rb") as file:
            yield file.read()
    except ValueError as error:
        raise ValueError(f"{path} must be an image that can be decoded. Received: {error}.") from error


def check_file_size(num_bytes: int) -> None:
    """Raises ValueError for an image file that is empty or too large."""
    if num_bytes == 0:
        raise ValueError("zero bytes")
    if num_bytes > MAX_FILE_BYTES:
        raise ValueError(f"file of {num_bytes} bytes, more than {MAX_FILE_BYTES}")


def take_image(encoded: bytes, max_pixels: int = image_headers.MAX_PIXELS, upright: bool = True,
               decode_check: bool = False) -> TakenImage:
    """Checks an image file, and encodes it anew if it has to be.

    Args:
        encoded: image file of one of `image_headers.FORMATS`.
        max_pixels: larger images are refused before anything is decoded.
        upright: turn images by the orientation that their metadata speaks of.
        decode_check: decode JPEG files too, which finds damage that the headers do not show; 1 ms and more.

    Raises:
        ValueError: with the reason, if the file cannot be used.
    """
    header = image_headers.check_image(encoded, max_pixels)
    turn = header.orientation if upright else 1
    if header.format == "JPEG" and turn == 1:
        if decode_check:
            decode_pixels(encoded, header.format)
        return TakenImage(encoded, "JPEG", header.height, header.width)
    pixels = decode_pixels(encoded, header.format)
    if header.format == "PNG" and turn == 1:  # PNG is rare, and its damage does not show in headers
        return TakenImage(encoded, "PNG", header.height, header.width)
    pixels = orientation.turned_upright(pixels, turn)
    image_format = "PNG" if header.format in _AS_PNG else "JPEG"
    return TakenImage(encode_pixels(pixels, image_format), image_format, *pixels.shape[:2], turn)


def encode_pixels(pixels: np.ndarray, image_format: str) -> bytes:
    """An image file of pixels, uint8 [height, width, 3] RGB, in the format "JPEG" or "PNG"."""
    options = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY] if image_format == "JPEG" else []
    _, buffer = cv2.imencode("." + image_format.lower(), np.ascontiguousarray(pixels[..., ::-1]), options)
    return buffer.tobytes()


def decode_pixels(encoded: bytes, image_format: str) -> np.ndarray:
    """The pixels as stored, of an animation the first frame: uint8 [height, width, 3], RGB.

    AVIF and HEIC come as they are to be seen: the turn is part of the picture there.

    Args:
        encoded: image file that `image_headers.check_image` let pass.
        image_format: of `image_headers.FORMATS`.

    Raises:
        ValueError: if the file is damaged.
    """
    pixels = _DECODERS.get(image_format, _by_tensorflow)(encoded)
    if pixels is None:
        raise ValueError(f"damaged {image_format}: does not decode")
    return pixels


def reads_heic() -> bool:
    """Whether the package is there that reads HEIC files."""
    return importlib.util.find_spec("pillow_heif") is not None


def _by_tensorflow(encoded: bytes) -> np.ndarray | None:
    try:  # the decoder of training reads PNG files too, and of a GIF file the first frame
        return np.asarray(tf.io.decode_image(encoded, channels=3, expand_animations=False))  # no copy
    except tf.errors.OpError:
        return None


def _by_opencv(encoded: bytes) -> np.ndarray | None:
    try:
        pixels = cv2.imdecode(np.frombuffer(encoded, np.uint8),
                              cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        return None
    return None if pixels is None else pixels[..., ::-1]


def _by_pillow(open_image: Callable[[io.BytesIO], Any], encoded: bytes) -> np.ndarray | None:
    try:
        with open_image(io.BytesIO(encoded)) as image:
            if image.mode.startswith("I;16"):  # grey, which Pillow would cut off at 255
                return np.repeat((np.asarray(image) >> 8).astype(np.uint8)[..., None], 3, axis=2)
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, RuntimeError):
        return None


def _tiff(encoded: bytes) -> np.ndarray | None:
    return _by_pillow(TiffImagePlugin.TiffImageFile, tiff_data.as_stored(encoded))  # OpenCV hides damage


def _avif(encoded: bytes) -> np.ndarray | None:
    return _by_pillow(lambda file: ImageOps.exif_transpose(AvifImagePlugin.AvifImageFile(file)), encoded)


def _heic(encoded: bytes) -> np.ndarray | None:
    if not reads_heic():
        raise ValueError(NO_HEIC_READER)
    import pillow_heif  # a package that is not among the requirements

    return _by_pillow(lambda file: pillow_heif.read_heif(file).to_pillow(), encoded)


_DECODERS: dict[str, Callable[[bytes], np.ndarray | None]] = {
    "WEBP": _by_opencv, "BMP": _by_opencv, "TIFF": _tiff, "AVIF": _avif, "HEIC": _heic}
