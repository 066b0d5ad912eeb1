"""Large images one after the other: each takes three bytes of memory a pixel while it is decoded.

What one took is given back to the system, though the process keeps freed memory else (docs/decisions/0093):
few come, and the memory of a server would stay as large as its largest upload.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Iterator

from data_prep.images import image_headers
from data_prep.stage import allocator
from delg.features.preparing import refusing_bad_images

_LARGE_PIXELS = 12_000_000  # a photograph of most telephones is no larger; chosen, 36 MB decoded
_one = threading.Lock()


@contextlib.contextmanager
def decoding(encoded: bytes, max_pixels: int) -> Iterator[image_headers.ImageHeader]:
    """The header of an image file, which may be decoded in the block: a large one while no other is.

    Raises:
        BadImageError: if its header says that it cannot be used, or of more pixels than allowed.
    """
    with refusing_bad_images():
        header = image_headers.check_size(encoded, max_pixels)  # what decodes it checks the rest
    with alone(header.height * header.width):
        yield header


@contextlib.contextmanager
def alone(num_pixels: float = math.inf) -> Iterator[None]:
    """A block in which an image of so many pixels is decoded; by default there may be large ones."""
    if num_pixels <= _LARGE_PIXELS:
        yield
        return
    with _one:
        try:
            yield
        finally:
            allocator.give_back_freed_memory()
