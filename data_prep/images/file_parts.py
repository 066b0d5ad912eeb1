"""Parts that image files are made of: segments of JPEG, chunks of PNG and WebP, boxes of AVIF and HEIC.

Each function gives name, or the code of a marker, start and end of the content of every part, in order.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

_HEAD = 8  # bytes of a length and a name
_MAX_PARTS = 200_000  # of a file, as they are gone through one by one; chosen
_JPEG_BARE = {0x01, *range(0xD0, 0xD8)}  # markers without a length
JPEG_PIXELS, JPEG_END = 0xDA, 0xD9  # markers that end the segments


def jpeg_segments(encoded: bytes) -> Iterator[tuple[int, int, int]]:
    """Those before the pixels; the last is JPEG_PIXELS or JPEG_END, with no content.

    Source: ITU-T T.81 (JPEG), section B.1.1.

    Raises:
        ValueError: where there is no marker, or a length that cannot be.
        IndexError, struct.error: where the file ends before.
    """
    position = 2
    while True:
        if encoded[position] != 0xFF:
            raise ValueError(f"broken JPEG: no marker at byte {position}")
        while encoded[position] == 0xFF:  # any number of them may precede the marker's code
            position += 1
        marker = encoded[position]
        position += 1
        if marker in _JPEG_BARE:
            continue
        if marker in (JPEG_PIXELS, JPEG_END):
            yield marker, position, position
            return
        length, = struct.unpack_from(">H", encoded, position)
        if length < 2:
            raise ValueError(f"broken JPEG: segment of length {length} at byte {position}")
        yield marker, position + 2, position + length
        position += length


def png_chunks(encoded: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Source: PNG, third edition, section 5.3."""
    def chunk_at(position: int) -> tuple[bytes, int, int, int]:
        length, name = struct.unpack_from(">I4s", encoded, position)
        end = position + _HEAD + length
        return name, position + _HEAD, end, end + 4  # a checksum follows

    return _walk(8, len(encoded), chunk_at)


def webp_chunks(encoded: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Source: RFC 9649, section 2.3."""
    def chunk_at(position: int) -> tuple[bytes, int, int, int]:
        name, length = struct.unpack_from("<4sI", encoded, position)
        end = position + _HEAD + length
        return name, position + _HEAD, end, end + length % 2

    return _walk(12, len(encoded), chunk_at)


def heif_boxes(encoded: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """The boxes that lie between two places. Source: ISO/IEC 14496-12, section 4.2.

    Raises:
        ValueError: if a box is shorter than its head.
    """
    def box_at(position: int) -> tuple[bytes, int, int, int]:
        head, (length, name) = _HEAD, struct.unpack_from(">I4s", encoded, position)
        if length == 1:
            head, (length,) = 2 * _HEAD, struct.unpack_from(">Q", encoded, position + _HEAD)
        length = length or end - position  # 0: to the end
        if length < head:
            raise ValueError(f"broken HEIF: box of length {length} at byte {position}")
        return name, position + head, position + length, position + length

    return _walk(start, end, box_at)


def _walk(position: int, end: int,
          part_at: Callable[[int], tuple[bytes, int, int, int]]) -> Iterator[tuple[bytes, int, int]]:
    """What `part_at` gives, but for its last value: where the next part is."""
    for _ in range(_MAX_PARTS):
        if position + _HEAD > end:
            return
        *part, position = part_at(position)
        yield part[0], part[1], part[2]
    raise ValueError(f"image file of over {_MAX_PARTS} parts")
