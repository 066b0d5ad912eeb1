"""Where HDF5 keeps strings of any length: looked through before HDF5 does, which damage there holds up.

HDF5 1.14 walks without end over an object of no size, and sets memory aside by what a reference claims. A
heap is "GCOL", a version, its size in bytes (u64), and objects: index (u16, 0: what is free), 6 bytes, size
(u64) and content filled up to 8 bytes. A reference is a length (u32), a heap's address (u64), an index (u32).
Source: HDF5 File Format Specification, III.E; attributes: IV.A.2.m.
"""

from __future__ import annotations

import math
import mmap
import re
import struct
from collections.abc import Iterator

import numpy as np

from data_prep.stage.lazy_module import LazyModule

h5py = LazyModule("h5py")

_HEAP = re.compile(rb"GCOL\x01")
_LEAST_BYTES = 4096  # of a heap; HDF5 refuses smaller ones
_HEAD = 16  # bytes of a heap's head, and of an object's
_REFERENCE = np.dtype([("length", "<u4"), ("address", "<u8"), ("index", "<u4")])
_ANY_LENGTH = 9  # class of a type


def check_heaps(path: str, holders: list[h5py.Group | h5py.Dataset]) -> None:
    """Refuses an HDF5 file whose strings could not be read to an end, or claim more bytes than it has.

    Args:
        path: of the file.
        holders: what has strings of any length in it, as values or as attributes.

    Raises:
        ValueError: if so, or if the strings lie where they cannot be looked at.
    """
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for heap in _HEAP.finditer(content):
            _check_objects(content, heap.start())
        for place, count in (*_of_values(holders), *_of_attributes(content, holders)):
            whole = max(0, min(count, (len(content) - place) // _REFERENCE.itemsize))
            stored = content[place:place + whole * _REFERENCE.itemsize]
            longest = np.frombuffer(stored, _REFERENCE)["length"].max(initial=0)
            if longest > len(content):
                raise ValueError(f"a string of {longest} bytes, in a file of {len(content)}")


def _of_values(holders: list[h5py.Group | h5py.Dataset]) -> Iterator[tuple[int, int]]:
    """Places of the references of datasets, and how many lie there."""
    for entry in holders:
        if isinstance(entry, h5py.Group) or not entry.dtype.hasobject:
            continue
        plist = entry.id.get_create_plist()
        if h5py.check_string_dtype(entry.dtype) is None or plist.get_nfilters() \
                or plist.get_layout() == h5py.h5d.COMPACT:
            raise ValueError(f"{entry.name}, values of any length that are no strings, or compressed")
        if entry.chunks is None:
            yield entry.id.get_offset() or 0, entry.size if entry.id.get_offset() else 0
        else:
            chunks: list[h5py.h5d.StoreInfo] = []
            entry.id.chunk_iter(chunks.append)
            yield from ((chunk.byte_offset, math.prod(entry.chunks)) for chunk in chunks)


def _of_attributes(content: mmap.mmap,
                   holders: list[h5py.Group | h5py.Dataset]) -> Iterator[tuple[int, int]]:
    """Places of the references of attributes, and how many lie there."""
    for name in {name for entry in holders for name in entry.attrs if has_any_length(entry, name)}:
        stored, is_found = name.encode() + b"\0", False
        for place in (match.start() for match in re.finditer(re.escape(stored), content)):
            for version, head, step in ((1, 8, 8), (2, 8, 1), (3, 9, 1)):
                start = place - head
                if start < 0 or content[start] != version:
                    continue
                sizes = struct.unpack_from("<3H", content, start + 2)  # of the name, the type, the shape
                kind, shape, values = (place + sum(-(-size // step) * step for size in sizes[:num])
                                       for num in (1, 2, 3))
                if sizes[0] != len(stored) or values > len(content) or content[kind] % 16 != _ANY_LENGTH:
                    continue
                rank, first = content[shape + 1], shape + (8 if content[shape] == 1 else 4)
                if first + 8 * rank > values:
                    continue
                yield values, math.prod(struct.unpack_from(f"<{rank}Q", content, first))
                is_found = True
        if not is_found:
            raise ValueError(f"an attribute {name}, whose text cannot be found")


def has_any_length(entry: h5py.Group | h5py.Dataset, attribute: str) -> bool:
    """Whether an attribute is of strings, or other values, of any length."""
    found = entry.attrs.get_id(attribute)
    return found.dtype.hasobject and found.get_space().get_simple_extent_npoints() > 0


def _check_objects(content: mmap.mmap, start: int) -> None:
    """Refuses a heap in which HDF5 would walk without end."""
    if start + _HEAD > len(content):
        return
    size, = struct.unpack_from("<Q", content, start + 8)
    if not _LEAST_BYTES <= size <= len(content) - start:
        return  # HDF5 will not take it for one
    place = start + _HEAD
    while place + _HEAD <= start + size:
        index, _, num_bytes = struct.unpack_from("<H6sQ", content, place)
        step = _HEAD + -(-num_bytes // 8) * 8 if index else num_bytes
        if not step:
            raise ValueError("strings whose storage is damaged")
        place += step
