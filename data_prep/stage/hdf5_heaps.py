"""Where HDF5 keeps strings of any length: looked through before HDF5 does, which damage there holds up.

HDF5 1.14 walks without end over an object of no size, and sets memory aside by what a reference claims. A
heap is "GCOL", a version, its size in bytes (u64), and objects: index (u16, 0: what is free), 6 bytes, size
(u64) and content filled up to 8 bytes. A reference is a length (u32), a heap's address (u64), an index (u32).
Source: HDF5 File Format Specification, III.E.
"""

from __future__ import annotations

import mmap
import re
import struct

from data_prep.stage.lazy_module import LazyModule

h5py = LazyModule("h5py")

_HEAP = re.compile(rb"GCOL\x01")
_LEAST_BYTES = 4096  # of a heap; HDF5 refuses smaller ones
_HEAD = 16  # bytes of a heap's head, and of an object's


def check_heaps(path: str) -> None:
    """Refuses an HDF5 file whose strings could not be read to an end, or claim more bytes than it has."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for heap in _HEAP.finditer(content):
            start = heap.start()
            indices = _objects(content, start)
            for reference in re.finditer(re.escape(struct.pack("<Q", start)), content):
                place = reference.start() - 4
                if place >= 0 and place + _HEAD <= len(content):
                    length, _, index = struct.unpack_from("<IQI", content, place)
                    if index in indices and length > len(content):
                        raise ValueError(f"a string of {length} bytes, in a file of {len(content)}")


def _objects(content: mmap.mmap, start: int) -> set[int]:
    """Indices of the objects of a heap; none where HDF5 will not take it for one."""
    if start + _HEAD > len(content):
        return set()
    size, = struct.unpack_from("<Q", content, start + 8)
    if not _LEAST_BYTES <= size <= len(content) - start:
        return set()
    indices, place = set(), start + _HEAD
    while place + _HEAD <= start + size:
        index, _, num_bytes = struct.unpack_from("<H6sQ", content, place)
        step = _HEAD + -(-num_bytes // 8) * 8 if index else num_bytes
        if not step:
            raise ValueError("strings whose storage is damaged")
        indices.add(index)
        place += step
    return indices
