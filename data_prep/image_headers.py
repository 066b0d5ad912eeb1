"""What an image file says of itself, read without decoding it: format, size, and whether it has its end.

Decoders allocate what a header asks for and fill in what a truncated file lacks; this is looked at first.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

MAX_PIXELS = 64_000_000  # chosen: 192 MB decoded, above all but the largest sensors

_JPEG_START = b"\xff\xd8\xff"
_JPEG_END = b"\xff\xd9"
_JPEG_SCAN = b"\xff\xda"
_JPEG_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # those three are tables, not frame headers
_PROGRESSIVE = 0xC2
_JPEG_BARE = {0x01, *range(0xD0, 0xD8)}  # markers without a length
_MAX_SCANS = 500  # the limit libjpeg-turbo advises against progressive files made to keep a decoder busy

_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"IEND\xae\x42\x60\x82"


class ImageHeader(NamedTuple):
    """What the header of an image file says."""

    format: str  # "JPEG" or "PNG"
    height: int  # pixels
    width: int
    channels: int  # as stored: 1 grey (or palette), 2 grey and alpha, 3 colour, 4 CMYK or alpha


def read_header(encoded: bytes) -> ImageHeader:
    """The header of a JPEG or PNG file.

    Raises:
        ValueError: with the reason, if the bytes are neither, or the header is cut off or makes no sense.
    """
    return _read(encoded)[0]


def check_image(encoded: bytes, max_pixels: int = MAX_PIXELS) -> ImageHeader:
    """The header of an image file that may be decoded: of bearable size, and not truncated.

    Bits that changed in the middle of a file show only in decoding it, and not always then.

    Raises:
        ValueError: with the reason, if the file must not or cannot be decoded.
    """
    header, data_start, is_progressive = _read(encoded)
    if header.height * header.width > max_pixels:
        raise ValueError(f"{header.width} x {header.height} pixels, more than the limit of {max_pixels}")
    # Pixel data cannot hold the end marker, and a thumbnail, which has its own, lies before the data.
    if encoded.rfind(_JPEG_END if header.format == "JPEG" else _PNG_END, data_start) < 0:
        raise ValueError(f"truncated {header.format}: no end marker in {len(encoded)} bytes")
    if is_progressive and encoded.count(_JPEG_SCAN, data_start) >= _MAX_SCANS:
        raise ValueError(f"JPEG of {_MAX_SCANS} scans or more")
    return header


def _read(encoded: bytes) -> tuple[ImageHeader, int, bool]:
    """The header, where the data starts in which the end marker is to be found, and if it is progressive."""
    if not encoded:
        raise ValueError("zero bytes")
    try:
        if encoded.startswith(_JPEG_START):
            return _read_jpeg(encoded)
        if encoded.startswith(_PNG_START):
            return _read_png(encoded)
    except (struct.error, IndexError):
        raise ValueError(f"truncated header in {len(encoded)} bytes") from None
    raise ValueError(f"neither JPEG nor PNG: starts with {encoded[:8]!r}")


def _read_jpeg(encoded: bytes) -> tuple[ImageHeader, int, bool]:
    header, is_progressive = None, False
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
        if marker == 0xDA:
            if header is None:
                raise ValueError("broken JPEG: pixels before the frame header")
            return header, position, is_progressive
        if marker == 0xD9:
            raise ValueError("broken JPEG: ends before its pixels")
        length, = struct.unpack_from(">H", encoded, position)
        if length < 2:
            raise ValueError(f"broken JPEG: segment of length {length} at byte {position}")
        if marker in _JPEG_FRAMES:
            _, height, width, channels = struct.unpack_from(">BHHB", encoded, position + 2)
            header, is_progressive = _checked("JPEG", height, width, channels), marker == _PROGRESSIVE
        position += length


def _read_png(encoded: bytes) -> tuple[ImageHeader, int, bool]:
    start = len(_PNG_START)
    length, name, width, height, _, kind = struct.unpack_from(">I4sIIBB", encoded, start)
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(kind)
    if name != b"IHDR" or length != 13 or channels is None:
        raise ValueError("broken PNG: does not start with its header")
    return _checked("PNG", height, width, channels), start + 8 + length, False


def _checked(image_format: str, height: int, width: int, channels: int) -> ImageHeader:
    if height < 1 or width < 1 or channels < 1:
        raise ValueError(f"broken {image_format}: {width} x {height} pixels of {channels} channels")
    return ImageHeader(image_format, height, width, channels)
