"""Pictures as a page shows them: upright, of a bearable size, as JPEG."""

from __future__ import annotations

import functools
import os

from data_prep.images import intake
from data_prep.images.intake import TakenImage
from delg.pictures import drawing
from delg.serving import large_images

MAX_SIZE = 2048  # pixels, longer side; chosen
_SMALL, _CACHED = 512, 1024  # pixels of what is kept, some 50 KB each, and how many; chosen


def picture_of(path: str, size: int) -> bytes:
    """An image file as JPEG, its longer side at most `size` pixels.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it cannot be decoded.
    """
    changed_ns = os.stat(path).st_mtime_ns
    return _small(path, changed_ns, size) if size <= _SMALL else _encoded(path, size)


@functools.lru_cache(_CACHED)
def _small(path: str, _changed_ns: int, size: int) -> bytes:
    return _encoded(path, size)


def _encoded(path: str, size: int) -> bytes:
    return drawing.encode_jpeg(drawing.fit(intake.read_picture(path), size, size)[0], quality=85)


def picture_of_upload(taken: TakenImage, size: int) -> bytes:
    """An image that was taken in as JPEG, its longer side at most `size` pixels."""
    with large_images.alone(taken.height * taken.width):
        pixels = drawing.fit(intake.decode_pixels(taken.encoded, taken.format), size, size)[0]
    return drawing.encode_jpeg(pixels, quality=85)
