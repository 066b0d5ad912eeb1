"""TFRecord files byte by byte: where each record lies, and whether it is as it was written.

A record is its length (u64), the length's CRC (u32), the data, and the data's CRC (u32), all little-endian;
a CRC is CRC-32C, rotated and shifted by a constant ("masked").
Source: https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

import google_crc32c

from data_prep.stage.byte_ranges import open_file

HEAD_BYTES = 12  # before the data
TAIL_BYTES = 4  # after it
_MASK_DELTA = 0xA282EAD8
_BLOCK = 1 << 22  # bytes read at a time


class Record(NamedTuple):
    """One record of a file."""

    number: int  # from 0
    offset: int  # bytes from the start of the file to the start of the record
    data: bytes | None  # None: damaged
    problem: str = ""  # what is wrong with it


def masked_crc(data: bytes) -> int:
    """The checksum that stands in the file for `data`."""
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF


def record_parts(data: bytes) -> tuple[bytes, bytes, bytes]:
    """What a file has for a record: these three, one after the other."""
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", masked_crc(length)), data, struct.pack("<I", masked_crc(data))


def read_records(path: str, digest: Any = None) -> Iterator[Record]:
    """Every record of a file in one pass, the damaged ones with what is wrong.

    A record whose length is damaged is the last one: nothing says where the next starts.

    Args:
        path: TFRecord file, not compressed.
        digest: object of hashlib that is updated with every byte of the file, also those after such damage.
    """
    update = digest.update if digest is not None else lambda _: None
    with open(path, "rb", buffering=_BLOCK) as file:
        remaining = os.fstat(file.fileno()).st_size
        number, offset = 0, 0
        while remaining:
            head = file.read(HEAD_BYTES)
            update(head)
            remaining -= len(head)
            length, problem = _read_head(head, remaining - TAIL_BYTES)
            if problem:
                yield Record(number, offset, None, problem)
                break
            data, tail = file.read(length), file.read(TAIL_BYTES)
            update(data)
            update(tail)
            remaining -= length + TAIL_BYTES
            whole = tail == struct.pack("<I", masked_crc(data))
            yield (Record(number, offset, data) if whole else
                   Record(number, offset, None, f"CRC of its {length} bytes of data does not match"))
            number += 1
            offset += HEAD_BYTES + length + TAIL_BYTES
        for block in iter(lambda: file.read(_BLOCK), b""):
            update(block)


def record_spans(path: str) -> Iterator[tuple[int, int]]:
    """Offset of each record's data and its length, both in bytes; the data itself is not read.

    Raises:
        ValueError: at the first record whose length is damaged or reaches past the end of the file.
    """
    file = open_file(path)
    remaining, offset = file.num_bytes, 0
    while remaining:
        head = file.read(offset, HEAD_BYTES)
        remaining -= len(head)
        length, problem = _read_head(head, remaining - TAIL_BYTES)
        if problem:
            raise ValueError(f"Records of {path} must be whole. Received: at byte {offset} one whose "
                             f"{problem}.")
        yield offset + HEAD_BYTES, length
        remaining -= length + TAIL_BYTES
        offset += HEAD_BYTES + length + TAIL_BYTES


def _read_head(head: bytes, most: int) -> tuple[int, str]:
    """Length of the data that follows a record's head, and what is wrong with it; `most` bytes may follow."""
    if len(head) < HEAD_BYTES:
        return 0, f"head is cut off after {len(head)} of {HEAD_BYTES} bytes"
    length, crc = struct.unpack("<QI", head)
    if crc != masked_crc(head[:8]):
        return 0, "CRC of its length does not match; what follows it cannot be read"
    if length > most:
        return 0, f"{length} bytes of data are cut off: {max(0, most)} are left"
    return length, ""
