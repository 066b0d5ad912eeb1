"""Where a photograph was taken, as the GPS data in its file says: JPEG, PNG, WebP, TIFF, AVIF and HEIC."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

from PIL import AvifImagePlugin

from data_prep.images import file_parts, intake, tiff_data
from data_prep.images.image_headers import EXIF_START, JPEG_APP1, JPEG_START, PNG_START

_JPEG_HEAD = 1 << 20  # bytes in which the segments before the pixels are looked for; chosen


def place_in_file(path: str) -> tuple[float, float] | None:
    """As `place_of_image`, of a file; None too where it cannot be read."""
    try:
        with open(path, "rb") as file:
            head = file.read(_JPEG_HEAD)
            return place_of_image(head if head.startswith(JPEG_START) else
                                  head + file.read(intake.MAX_FILE_BYTES))
    except OSError:
        return None


def place_of_image(encoded: bytes) -> tuple[float, float] | None:
    """Latitude and longitude, degrees north and east, of an image file.

    None where the file says none or is damaged, whatever the damage.
    """
    try:
        found = (tiff_data.place_of(exif) for exif in _exif_data(encoded))
        return next((place for place in found if place is not None), None)
    except (ValueError, IndexError, struct.error):
        return None


def _exif_data(encoded: bytes) -> Iterator[bytes]:
    if encoded.startswith(JPEG_START):
        for marker, start, end in file_parts.jpeg_segments(encoded):
            if marker == JPEG_APP1 and encoded.startswith(EXIF_START, start):
                yield encoded[start:end]
    elif encoded.startswith(PNG_START):
        yield from (encoded[start:end] for name, start, end in file_parts.png_chunks(encoded)
                    if name == b"eXIf")
    elif encoded.startswith(b"RIFF"):
        yield from (encoded[start:end] for name, start, end in file_parts.webp_chunks(encoded)
                    if name == b"EXIF")
    elif encoded[:4] in tiff_data.ORDERS:
        yield encoded
    elif encoded[4:8] == b"ftyp":
        yield _exif_of_heif(encoded)


def _exif_of_heif(encoded: bytes) -> bytes:
    """EXIF data of AVIF and HEIC files, which libraries find; empty where there is none."""
    try:
        if b"avif" in encoded[8:32]:
            with AvifImagePlugin.AvifImageFile(io.BytesIO(encoded)) as image:
                return image.info.get("exif") or b""
        if intake.reads_heic():
            import pillow_heif  # a package that is not among the requirements

            return pillow_heif.open_heif(io.BytesIO(encoded)).info.get("exif") or b""
    except (OSError, ValueError, SyntaxError, RuntimeError, EOFError):
        pass
    return b""
