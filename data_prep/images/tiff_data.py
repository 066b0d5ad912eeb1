"""TIFF data: what the header of a TIFF file says; turn and place in EXIF data, which is laid out alike.

Source: TIFF 6.0, section 2 (directories), part 2 (tags); Exif 2.32, sections 4.6.4 and 4.6.6.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

ORDERS = {b"II*\0": "<", b"MM\0*": ">"}  # how TIFF data starts
_EXIF_START = b"Exif\0\0"
_KINDS = {1: "u1", 3: "u2", 4: "u4"}  # of values: BYTE, SHORT, LONG
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _ORIENTATION, _CHANNELS = 256, 257, 258, 259, 274, 277
_ROWS_PER_STRIP, _PLANES, _TILE_WIDTH, _TILE_HEIGHT, _SAMPLE_FORMAT = 278, 284, 322, 323, 339
_STRIPS, _TILES = (273, 279), (324, 325)  # where they start, and how many bytes each takes
_COMPRESSIONS = {1, 5, 8, 32773, 32946}  # none, LZW, Deflate, PackBits, Deflate of old: not JPEG, not fax
_GPS, _GPS_STATUS = 34853, 9  # where the directory of the place starts; in it: whether the receiver knew it
_GPS_AXES = (((1, b"NS"), 2, 90), ((3, b"EW"), 4, 180))  # tag and words of the sign, tag, most degrees
_RATIONAL = 5  # kind of values: two LONGs
_SEPARATE = 2  # of _PLANES: each channel has strips or tiles of its own


class TiffHeader(NamedTuple):
    """What the first directory of a TIFF file says."""

    height: int  # pixels, as stored
    width: int
    channels: int
    orientation: int
    decoded_pixels: int  # with what tiles hold beyond the borders


def orientation_of(exif: bytes) -> int:
    """The orientation that EXIF data speaks of; 1 if it says none, or is damaged."""
    exif = exif.removeprefix(_EXIF_START)
    try:
        found = [place for tag, kind, _, place in _entries(exif) if tag == _ORIENTATION and kind == 3]
        value, = struct.unpack_from(ORDERS[exif[:4]] + "H", exif, found[0])
        return value if 1 <= value <= 8 else 1
    except (struct.error, KeyError, IndexError):
        return 1  # damaged EXIF data does no harm to the pixels


def place_of(exif: bytes) -> tuple[float, float] | None:
    """Latitude and longitude that EXIF data speaks of, degrees north and east.

    None if it says none, is damaged, or says what a receiver writes that has not found its place: a void
    fix, or 0, 0.
    """
    exif = exif.removeprefix(_EXIF_START)
    try:
        order = ORDERS[exif[:4]]
        start = next(place for tag, _, _, place in _entries(exif) if tag == _GPS)
        start, = struct.unpack_from(order + "I", exif, start)
        held = {tag: entry for tag, *entry in _entries(exif, start)}
        if _GPS_STATUS in held and exif[held[_GPS_STATUS][2]:][:1].upper() == b"V":
            return None
        latitude, longitude = (_degrees(exif, order, held, *axis) for axis in _GPS_AXES)
    except (struct.error, KeyError, StopIteration, ValueError, ZeroDivisionError):
        return None  # damaged EXIF data does no harm to the pixels
    return (latitude, longitude) if latitude or longitude else None


def _degrees(exif: bytes, order: str, held: dict[int, list[int]], sign: tuple[int, bytes], tag: int,
             most: int) -> float:
    """One of the two coordinates; raises an error that `place_of` knows where there is none."""
    kind, count, place = held[tag]
    if kind != _RATIONAL or not 1 <= count <= 3:
        raise ValueError
    place, = struct.unpack_from(order + "I", exif, place)
    parts = struct.unpack_from(order + f"{2 * count}I", exif, place)
    # Degrees, minutes, seconds; seconds that are not known are 0/0 from some cameras.
    degrees = sum(above / below / 60**power for power, (above, below) in enumerate(
        zip(parts[::2], parts[1::2])) if above or below)
    word = exif[held[sign[0]][2]:][:1].upper()
    if not word or degrees > most:
        raise ValueError
    return -degrees if sign[1].index(word) else degrees


def as_stored(encoded: bytes) -> bytes:
    """The TIFF file without its orientation, by which decoders would turn its pixels."""
    place = next((place for tag, _, _, place in _entries(encoded) if tag == _ORIENTATION), None)
    if place is None:
        return encoded
    upright = struct.pack(ORDERS[encoded[:4]] + "HIHH", 3, 1, 1, 0)  # a SHORT, whatever it was
    return encoded[:place - 6] + upright + encoded[place + 4:]


def read_tiff(encoded: bytes) -> TiffHeader:
    """The header of a TIFF file of whole numbers, all of whose pixels are there.

    Raises:
        ValueError: with the reason, if it is cut off, makes no sense, or is of a kind that is not read.
        struct.error: if the directory is cut off.
    """
    entries: dict[int, tuple[int, int, int]] = {}
    for tag, *entry in _entries(encoded):
        if tag in entries:
            raise ValueError(f"broken TIFF: tag {tag} occurs twice")
        entries[tag] = (entry[0], entry[1], entry[2])

    def values(tag: int, default: int | None = None) -> np.ndarray:
        kind, count, place = entries.get(tag, (4, 0, 0))
        if kind not in _KINDS or (not count and default is None):
            raise ValueError(f"broken TIFF: no usable tag {tag}")
        if not count:
            return np.array([default])
        dtype = np.dtype(ORDERS[encoded[:4]] + _KINDS[kind])
        if count * dtype.itemsize > 4:
            place, = struct.unpack_from(ORDERS[encoded[:4]] + "I", encoded, place)
        if place + count * dtype.itemsize > len(encoded):
            raise ValueError(f"truncated TIFF: tag {tag} lies beyond {len(encoded)} bytes")
        return np.frombuffer(encoded, dtype, count, place).astype(np.int64)

    height, width, channels, compression = (int(values(tag, default)[0]) for tag, default in (
        (_HEIGHT, None), (_WIDTH, None), (_CHANNELS, 1), (_COMPRESSION, 1)))
    bits, formats = ({*values(tag, 1).tolist()} for tag in (_BITS, _SAMPLE_FORMAT))
    if compression not in _COMPRESSIONS or bits not in ({1}, {8}, {16}) or formats != {1} or channels > 4:
        raise ValueError(f"TIFF of a kind that is not decoded: compression {compression}, {channels} channels"
                         f" of {min(bits)} bits, sample format {min(formats)}")
    is_tiled = _TILE_WIDTH in entries
    part_height = int(values(_TILE_HEIGHT if is_tiled else _ROWS_PER_STRIP, height)[0])
    part_width = int(values(_TILE_WIDTH)[0]) if is_tiled else width
    if min(height, width, channels, part_height, part_width) < 1:
        raise ValueError(f"broken TIFF: {width} x {height} pixels of {channels} channels, in parts of "
                         f"{part_width} x {part_height}")
    num_parts = -(-height // part_height) * -(-width // part_width)
    starts, sizes = (values(tag) for tag in (_TILES if is_tiled else _STRIPS))
    if not len(starts) == len(sizes) == num_parts * (channels if values(_PLANES, 1)[0] == _SEPARATE else 1):
        raise ValueError(f"broken TIFF: {len(starts)} parts of {len(sizes)} sizes, for {num_parts}")
    if (starts + sizes).max() > len(encoded):
        raise ValueError(f"truncated TIFF: {(starts + sizes).max()} bytes wanted of {len(encoded)}")
    if sizes.sum() > len(encoded):  # a few bytes would be inflated again and again
        raise ValueError("broken TIFF: its parts overlap")
    return TiffHeader(height, width, channels, orientation_of(encoded),
                      num_parts * part_height * part_width if is_tiled else height * width)


def _entries(data: bytes, start: int | None = None) -> Iterator[tuple[int, int, int, int]]:
    """Tag, kind and count of values, and place of the value or of its offset, of a directory: the first."""
    order = ORDERS[data[:4]]
    if start is None:
        start, = struct.unpack_from(order + "I", data, 4)
    count, = struct.unpack_from(order + "H", data, start)
    for place in range(start + 2, start + 2 + 12 * count, 12):
        yield (*struct.unpack_from(order + "HHI", data, place), place + 8)
