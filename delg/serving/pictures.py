"""Pictures as a page shows them: upright, of a bearable size, as JPEG."""

from __future__ import annotations

import functools
import os

from data_prep.images import intake
from data_prep.images.intake import TakenImage
from delg.pictures import drawing

MAX_SIZE = 2048  # pixels, longer side; chosen


def picture_of(path: str, size: int) -> bytes:
    """An image file as JPEG, its longer side at most `size` pixels.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it cannot be decoded.
    """
    return _picture_of(path, os.stat(path).st_mtime_ns, size)


@functools.lru_cache(512)
def _picture_of(path: str, _changed_ns: int, size: int) -> bytes:
    return drawing.encode_jpeg(drawing.fit(intake.read_picture(path), size, size)[0], quality=85)


def picture_of_upload(taken: TakenImage, size: int) -> bytes:
    """An image that was taken in as JPEG, its longer side at most `size` pixels."""
    pixels = intake.decode_pixels(taken.encoded, taken.format)
    return drawing.encode_jpeg(drawing.fit(pixels, size, size)[0], quality=85)
