"""What an image file says of itself, read without decoding it: format, size, and whether it has its end.

Decoders allocate what a header asks for and fill in what a truncated file lacks; this is looked at first.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from data_prep.images import file_parts, tiff_data

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "HEIC")
MAX_PIXELS = 64_000_000  # chosen: 192 MB decoded, above all but the largest sensors

JPEG_START = b"\xff\xd8\xff"
_JPEG_END = b"\xff\xd9"
_JPEG_SCAN = b"\xff\xda"
# Of a byte of JPEG data. Each 8 x 8 of the finest component has a code of one bit or more for its mean and,
# but in progressive files, another that ends it. Source: ITU T.81, sections F.1.2 and G.1.2.
_MOST_PIXELS, _MOST_PROGRESSIVE_PIXELS = 256, 512
_JPEG_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # those three are tables, not frame headers
_DECODABLE_FRAMES = {0xC0, 0xC1, 0xC2}  # the others, lossless and arithmetic, no common decoder reads
_PROGRESSIVE = 0xC2
JPEG_APP1 = 0xE1
EXIF_START = b"Exif\0\0"
_MAX_SCANS = 500  # the limit libjpeg-turbo advises against progressive files made to keep a decoder busy
_MAX_SCANNED_PIXELS = 2_000_000_000  # pixels times scans, seconds; common encoders write 10; chosen

PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"IEND\xae\x42\x60\x82"
_PNG_COMPRESSED = (b"zTXt", b"iTXt", b"iCCP")  # chunks that a decoder inflates beside the pixels
_MAX_PNG_COMPRESSED = 32  # of them: libpng inflates up to 8 MB of each; chosen
_INFLATED_AT_ONCE = 2**20  # bytes
_GIF_STARTS = (b"GIF87a", b"GIF89a")
_GIF_END = b";"
_WEBP_LOSSLESS_START = 0x2F
_BMP_START = b"BM"
_BMP_CORE_HEADER = 12  # bytes; all later ones have 40 or more
_BMP_BITS = (1, 4, 8, 16, 24, 32)
_BMP_COMPRESSIONS = (0, 3)  # none, and none with masks of its own for the colours
_HEIF_BRANDS = (("AVIF", {b"avif", b"avis"}),
                ("HEIC", {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}))


class ImageHeader(NamedTuple):
    """What the header of an image file says."""

    format: str  # one of FORMATS
    height: int  # pixels, as stored
    width: int
    channels: int  # as stored: 1 grey (or palette), 2 grey and alpha, 3 colour, 4 CMYK or alpha
    orientation: int = 1  # of EXIF, 1 to 8; 1: as stored; AVIF and HEIC have none, decoders turn them


class _Structure(NamedTuple):
    """What has to be known of a file before it is decoded."""

    header: ImageHeader
    data_start: int = 0  # of the data in which the end marker is to be found
    is_progressive: bool = False
    num_bytes: int = 0  # of the whole file, in formats without an end marker
    decoded_pixels: int = 0  # where decoding takes more than height * width


def check_size(encoded: bytes, max_pixels: int) -> ImageHeader:
    """The header of an image file that is of bearable size; nothing behind the header is looked at.

    Raises:
        ValueError: with the reason, if it is none, or says that there are more pixels.
    """
    return _of_bearable_size(encoded, max_pixels).header


def check_image(encoded: bytes, max_pixels: int = MAX_PIXELS) -> ImageHeader:
    """The header of an image file that may be decoded: of bearable size, and not truncated.

    Bits that changed in the middle of a file show only in decoding it, and not always then.

    Raises:
        ValueError: with the reason, if the file must not or cannot be decoded.
    """
    header, data_start, is_progressive, num_bytes, _ = _of_bearable_size(encoded, max_pixels)
    if num_bytes > len(encoded) or not num_bytes and not _has_end(encoded, header.format, data_start):
        raise ValueError(f"truncated {header.format}: no end marker in {len(encoded)} bytes")
    if header.format == "JPEG":
        least = header.height * header.width // (_MOST_PROGRESSIVE_PIXELS if is_progressive else _MOST_PIXELS)
        if len(encoded) - data_start < least:
            raise ValueError(f"truncated JPEG: {len(encoded)} bytes cannot hold the pixels of "
                             f"{header.width} x {header.height}")
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


def _of_bearable_size(encoded: bytes, max_pixels: int) -> _Structure:
    found = _read(encoded)
    header = found.header
    if header.height * header.width > max_pixels:
        raise ValueError(f"{header.width} x {header.height} pixels, more than the limit of {max_pixels}")
    if found.decoded_pixels > max_pixels:
        raise ValueError(f"{header.format} whose tiles have {found.decoded_pixels} pixels, more than the "
                         f"limit of {max_pixels}")
    return found


def _check_png_work(encoded: bytes, header: ImageHeader) -> None:
    """Refuses PNG files whose chunks inflate to far more than the pixels their header speaks of."""
    bit_depth = encoded[len(PNG_START) + 16]
    row_bytes = 1 + -(-header.width * header.channels * bit_depth // 8)
    most = 2 * header.height * row_bytes + 1000  # twice: interlaced rows are more, each with its own filter
    inflater, inflated, num_compressed = zlib.decompressobj(), 0, 0
    for name, start, end in file_parts.png_chunks(encoded):
        num_compressed += name in _PNG_COMPRESSED
        if num_compressed > _MAX_PNG_COMPRESSED:
            raise ValueError(f"PNG of over {_MAX_PNG_COMPRESSED} compressed chunks of text or colours")
        waiting = encoded[start:end] if name == b"IDAT" else b""
        while waiting and not inflater.eof:
            try:
                inflated += len(inflater.decompress(waiting, _INFLATED_AT_ONCE))
            except zlib.error:
                return  # the decoder ends here too
            waiting = inflater.unconsumed_tail
            if inflated > most:
                raise ValueError(f"PNG whose data inflates to more than the {most} bytes that its "
                                 f"{header.width} x {header.height} pixels may take")


def _read(encoded: bytes) -> _Structure:
    if not encoded:
        raise ValueError("zero bytes")
    try:
        if encoded.startswith(JPEG_START):
            return _read_jpeg(encoded)
        if encoded.startswith(PNG_START):
            return _read_png(encoded)
        if encoded.startswith(_GIF_STARTS):
            width, height = struct.unpack_from("<HH", encoded, 6)
            return _Structure(_checked("GIF", height, width, 1), 10)
        if encoded.startswith(b"RIFF") and encoded[8:12] == b"WEBP":
            return _read_webp(encoded)
        if encoded.startswith(_BMP_START):
            return _read_bmp(encoded)
        if encoded[:4] in tiff_data.ORDERS:
            tiff = tiff_data.read_tiff(encoded)
            header = _checked("TIFF", tiff.height, tiff.width, tiff.channels)
            return _Structure(header._replace(orientation=tiff.orientation), num_bytes=len(encoded),
                              decoded_pixels=tiff.decoded_pixels)
        if encoded[4:8] == b"ftyp":
            return _read_heif(encoded)
    except (struct.error, IndexError):
        raise ValueError(f"truncated header in {len(encoded)} bytes") from None
    raise ValueError(f"none of {', '.join(FORMATS)}: starts with {encoded[:8]!r}")


def _has_end(encoded: bytes, image_format: str, data_start: int) -> bool:
    if image_format == "GIF":  # its pixel data may hold the end marker
        return encoded.rstrip(b"\0").endswith(_GIF_END)
    # That of JPEG cannot, and a thumbnail, with its own, lies before the data.
    return encoded.rfind({"JPEG": _JPEG_END, "PNG": _PNG_END}[image_format], data_start) >= 0


def _read_jpeg(encoded: bytes) -> _Structure:
    header, is_progressive, orientation = None, False, 1
    for marker, start, end in file_parts.jpeg_segments(encoded):
        if marker == file_parts.JPEG_PIXELS:
            if header is None:
                raise ValueError("broken JPEG: pixels before the frame header")
            return _Structure(header._replace(orientation=orientation), start, is_progressive)
        if marker == JPEG_APP1 and encoded.startswith(EXIF_START, start):
            orientation = tiff_data.orientation_of(encoded[start:end])
        if marker in _JPEG_FRAMES:
            if marker not in _DECODABLE_FRAMES or encoded[start] != 8:
                raise ValueError(f"JPEG of a kind that is not decoded: frame {marker:#x}, "
                                 f"{encoded[start]} bits")
            _, height, width, channels = struct.unpack_from(">BHHB", encoded, start)
            header, is_progressive = _checked("JPEG", height, width, channels), marker == _PROGRESSIVE
    raise ValueError("broken JPEG: ends before its pixels")


def _read_webp(encoded: bytes) -> _Structure:
    """Source: RFC 9649 (WebP), sections 2.6, 2.7 and 3.4; RFC 6386 (VP8), section 9.1."""
    kind, orientation = encoded[12:16], 1
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", encoded, 26)
        width, height = width & 0x3FFF, height & 0x3FFF
    elif kind == b"VP8L" and encoded[20] == _WEBP_LOSSLESS_START:
        bits, = struct.unpack_from("<I", encoded, 21)
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    elif kind == b"VP8X":
        width = 1 + int.from_bytes(encoded[24:27], "little")
        height = 1 + int.from_bytes(encoded[27:30], "little")
        orientation = _orientation_in(encoded, file_parts.webp_chunks(encoded), b"EXIF")
    else:
        raise ValueError(f"broken WebP: first chunk {kind!r}")
    header = _checked("WEBP", height, width, 3)._replace(orientation=orientation)
    return _Structure(header, num_bytes=8 + struct.unpack_from("<I", encoded, 4)[0])


def _read_png(encoded: bytes) -> _Structure:
    start = len(PNG_START)
    length, name, width, height, _, kind = struct.unpack_from(">I4sIIBB", encoded, start)
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(kind)
    if name != b"IHDR" or length != 13 or channels is None:
        raise ValueError("broken PNG: does not start with its header")
    orientation = _orientation_in(encoded, file_parts.png_chunks(encoded), b"eXIf")
    return _Structure(_checked("PNG", height, width, channels)._replace(orientation=orientation),
                      start + 8 + length)


def _orientation_in(encoded: bytes, parts: Iterator[tuple[bytes, int, int]], wanted: bytes) -> int:
    """The orientation in the first part of the name `wanted`; 1 where there is none."""
    return next((tiff_data.orientation_of(encoded[start:end]) for name, start, end in parts
                 if name == wanted), 1)


def _read_bmp(encoded: bytes) -> _Structure:
    data_start, header_size = (struct.unpack_from("<I", encoded, place)[0] for place in (10, 14))
    if header_size == _BMP_CORE_HEADER:
        (width, height, _, bits), compression = struct.unpack_from("<HHHH", encoded, 18), 0
    else:
        width, height, _, bits, compression = struct.unpack_from("<iiHHI", encoded, 18)
    if bits not in _BMP_BITS or compression not in _BMP_COMPRESSIONS:
        raise ValueError(f"BMP of a kind that is not decoded: compression {compression}, {bits} bits")
    header = _checked("BMP", abs(height), width, 3)  # a height below 0: from the top down
    return _Structure(header, num_bytes=data_start + header.height * -(-width * bits // 32) * 4)


def _read_heif(encoded: bytes) -> _Structure:
    """AVIF and HEIC, whose size is that of the largest of their pictures: tiles and thumbnails are smaller.

    Source: ISO/IEC 23008-12 (HEIF), sections 6.2 and 6.5.3; AV1 Image File Format, section 6.
    """
    boxes = list(file_parts.heif_boxes(encoded, 0, len(encoded)))
    brands = encoded[boxes[0][1]:boxes[0][2]]
    image_format = next((name for name, known in _HEIF_BRANDS if known & {
        brands[place:place + 4] for place in range(0, min(len(brands), 400), 4)}), None)
    if image_format is None:
        raise ValueError(f"none of {', '.join(FORMATS)}: starts with {encoded[:12]!r}")
    if any(name == b"moov" for name, _, _ in boxes):
        raise ValueError(f"{image_format} of a kind that is not decoded: a sequence of images")
    places = [(start, end) for name, start, end in boxes if name == b"meta"]
    for wanted, num_flags in ((b"iprp", 4), (b"ipco", 0), (b"ispe", 0)):  # each inside the one before
        places = [(start, end) for outer_start, outer_end in places for name, start, end in
                  file_parts.heif_boxes(encoded, outer_start + num_flags, min(outer_end, len(encoded)))
                  if name == wanted]
    sizes = [struct.unpack_from(">II", encoded, start + 4) for start, _ in places]
    width, height = max(sizes, key=lambda size: size[0] * size[1], default=(0, 0))
    return _Structure(_checked(image_format, height, width, 3), num_bytes=boxes[-1][2])


def _checked(image_format: str, height: int, width: int, channels: int) -> ImageHeader:
    if height < 1 or width < 1 or channels < 1:
        raise ValueError(f"broken {image_format}: {width} x {height} pixels of {channels} channels")
    return ImageHeader(image_format, height, width, channels)
