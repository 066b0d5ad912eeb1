"""What an image file says of itself, read without decoding it: format, size, and whether it has its end.

Decoders allocate what a header asks for and fill in what a truncated file lacks; this is looked at first.
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

MAX_PIXELS = 64_000_000  # chosen: 192 MB decoded, above all but the largest sensors

_JPEG_START = b"\xff\xd8\xff"
_JPEG_END = b"\xff\xd9"
_JPEG_SCAN = b"\xff\xda"
_JPEG_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # those three are tables, not frame headers
_DECODABLE_FRAMES = {0xC0, 0xC1, 0xC2}  # the others, lossless and arithmetic, no common decoder reads
_PROGRESSIVE = 0xC2
_JPEG_APP1 = 0xE1
_EXIF_START = b"Exif\0\0"
_EXIF_ORIENTATION = 0x0112
_JPEG_BARE = {0x01, *range(0xD0, 0xD8)}  # markers without a length
_MAX_SCANS = 500  # the limit libjpeg-turbo advises against progressive files made to keep a decoder busy
_MAX_SCANNED_PIXELS = 2_000_000_000  # pixels times scans, seconds; common encoders write 10; chosen

_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"IEND\xae\x42\x60\x82"
_PNG_COMPRESSED = (b"zTXt", b"iTXt", b"iCCP")  # chunks that a decoder inflates beside the pixels
_MAX_PNG_COMPRESSED = 32  # of them: libpng inflates up to 8 MB of each; chosen
_INFLATED_AT_ONCE = 2**20  # bytes
_GIF_STARTS = (b"GIF87a", b"GIF89a")
_GIF_END = b";"
_WEBP_LOSSLESS_START = 0x2F


class ImageHeader(NamedTuple):
    """What the header of an image file says."""

    format: str  # "JPEG", "PNG", "GIF" or "WEBP"
    height: int  # pixels, as stored
    width: int
    channels: int  # as stored: 1 grey (or palette), 2 grey and alpha, 3 colour, 4 CMYK or alpha
    orientation: int = 1  # of EXIF, 1 to 8; 1: as stored; of JPEG files only


def read_header(encoded: bytes) -> ImageHeader:
    """The header of a JPEG, PNG, GIF or WebP file.

    Raises:
        ValueError: with the reason, if the bytes are none of these, or the header is cut off or makes no
            sense.
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
    if not _has_end(encoded, header.format, data_start):
        raise ValueError(f"truncated {header.format}: no end marker in {len(encoded)} bytes")
    if is_progressive:
        num_scans = 1 + encoded.count(_JPEG_SCAN, data_start)
        if num_scans > _MAX_SCANS:
            raise ValueError(f"JPEG of {_MAX_SCANS} scans or more")
        if num_scans * header.height * header.width > _MAX_SCANNED_PIXELS:
            raise ValueError(f"JPEG of {num_scans} scans of {header.width} x {header.height} pixels, more "
                             f"than {_MAX_SCANNED_PIXELS} together")
    if header.format == "PNG":
        _check_png_work(encoded, header)
    return header


def _check_png_work(encoded: bytes, header: ImageHeader) -> None:
    """Refuses PNG files whose chunks inflate to far more than the pixels their header speaks of."""
    bit_depth = encoded[len(_PNG_START) + 16]
    row_bytes = 1 + -(-header.width * header.channels * bit_depth // 8)
    most = 2 * header.height * row_bytes + 1000  # twice: interlaced rows are more, each with its own filter
    inflater, inflated, num_compressed, position = zlib.decompressobj(), 0, 0, len(_PNG_START)
    while position + 8 <= len(encoded):
        length, name = struct.unpack_from(">I4s", encoded, position)
        position += 8
        num_compressed += name in _PNG_COMPRESSED
        if num_compressed > _MAX_PNG_COMPRESSED:
            raise ValueError(f"PNG of over {_MAX_PNG_COMPRESSED} compressed chunks of text or colours")
        waiting = encoded[position:position + length] if name == b"IDAT" else b""
        while waiting and not inflater.eof:
            try:
                inflated += len(inflater.decompress(waiting, _INFLATED_AT_ONCE))
            except zlib.error:
                return  # the decoder ends here too
            waiting = inflater.unconsumed_tail
            if inflated > most:
                raise ValueError(f"PNG whose data inflates to more than the {most} bytes that its "
                                 f"{header.width} x {header.height} pixels may take")
        position += length + 4


def _read(encoded: bytes) -> tuple[ImageHeader, int, bool]:
    """The header, where the data starts in which the end marker is to be found, and if it is progressive."""
    if not encoded:
        raise ValueError("zero bytes")
    try:
        if encoded.startswith(_JPEG_START):
            return _read_jpeg(encoded)
        if encoded.startswith(_PNG_START):
            return _read_png(encoded)
        if encoded.startswith(_GIF_STARTS):
            width, height = struct.unpack_from("<HH", encoded, 6)
            return _checked("GIF", height, width, 1), 10, False
        if encoded.startswith(b"RIFF") and encoded[8:12] == b"WEBP":
            return _read_webp(encoded), 12, False
    except (struct.error, IndexError):
        raise ValueError(f"truncated header in {len(encoded)} bytes") from None
    raise ValueError(f"none of JPEG, PNG, GIF, WebP: starts with {encoded[:8]!r}")


def _has_end(encoded: bytes, image_format: str, data_start: int) -> bool:
    if image_format == "WEBP":  # has no end marker; its header says how long it is
        return len(encoded) >= 8 + struct.unpack_from("<I", encoded, 4)[0]
    # Pixel data of JPEG cannot hold the end marker, and a thumbnail, with its own, lies before the data.
    end = {"JPEG": _JPEG_END, "PNG": _PNG_END, "GIF": _GIF_END}[image_format]
    if image_format == "GIF":  # its pixel data may
        return encoded.rstrip(b"\0").endswith(end)
    return encoded.rfind(end, data_start) >= 0


def _read_jpeg(encoded: bytes) -> tuple[ImageHeader, int, bool]:
    header, is_progressive, orientation = None, False, 1
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
            return header._replace(orientation=orientation), position, is_progressive
        if marker == 0xD9:
            raise ValueError("broken JPEG: ends before its pixels")
        length, = struct.unpack_from(">H", encoded, position)
        if length < 2:
            raise ValueError(f"broken JPEG: segment of length {length} at byte {position}")
        if marker == _JPEG_APP1 and encoded.startswith(_EXIF_START, position + 2):
            orientation = _read_orientation(encoded[position + 2 + len(_EXIF_START):position + length])
        if marker in _JPEG_FRAMES:
            if marker not in _DECODABLE_FRAMES or encoded[position + 2] != 8:
                raise ValueError(f"JPEG of a kind that is not decoded: frame {marker:#x}, "
                                 f"{encoded[position + 2]} bits")
            _, height, width, channels = struct.unpack_from(">BHHB", encoded, position + 2)
            header, is_progressive = _checked("JPEG", height, width, channels), marker == _PROGRESSIVE
        position += length


def _read_orientation(exif: bytes) -> int:
    """The orientation in the first directory of EXIF data (TIFF 6.0, section 2); 1 if it says none."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return 1
    try:
        start, = struct.unpack_from(order + "I", exif, 4)
        count, = struct.unpack_from(order + "H", exif, start)
        for entry in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind, _, value = struct.unpack_from(order + "HHIH", exif, entry)
            if tag == _EXIF_ORIENTATION:
                return value if kind == 3 and 1 <= value <= 8 else 1
    except struct.error:
        pass  # damaged EXIF data does no harm to the pixels
    return 1


def _read_webp(encoded: bytes) -> ImageHeader:
    """Source: RFC 9649 (WebP), sections 2.6, 2.7 and 3.4; RFC 6386 (VP8), section 9.1."""
    kind = encoded[12:16]
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", encoded, 26)
        width, height = width & 0x3FFF, height & 0x3FFF
    elif kind == b"VP8L" and encoded[20] == _WEBP_LOSSLESS_START:
        bits, = struct.unpack_from("<I", encoded, 21)
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    elif kind == b"VP8X":
        width = 1 + int.from_bytes(encoded[24:27], "little")
        height = 1 + int.from_bytes(encoded[27:30], "little")
    else:
        raise ValueError(f"broken WebP: first chunk {kind!r}")
    return _checked("WEBP", height, width, 3)


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
