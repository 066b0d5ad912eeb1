"""Reads variables of MATLAB 5 to 7 files; a damaged file is an error, whatever the damage.

SciPy's reader can end the process on a damaged file, so the parts of the format that published data needs
are read here: numbers, texts, cells and structs. A file is a header of 128 bytes, then elements of a type, a
number of bytes and a content filled up to 8 bytes. A variable is an element of elements (flags, dimensions,
name, values) and may be compressed; the values of cells and structs are variables without names.
Source: MathWorks, "MAT-File Format", level 5.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import os
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

MAX_BYTES = 2**32  # of one variable; 6322 descriptors of 2048 dimensions take 2**26
_MAX_RATIO = 200  # of plain to compressed bytes; names reach 26, labels class by class 164; chosen
_SLACK = 8 << 20  # plain bytes that any variable may have, which is a million cells at most
_MAX_DEPTH = 8  # of cells and structs within each other; chosen, published files have 2
_HEADER_BYTES = 128
_HDF5_VERSIONS = (b"\0\2IM", b"\2\0MI")  # at the end of the header
_MATRIX, _COMPRESSED = 14, 15  # types of elements
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_ENCODINGS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_CELL, _STRUCT, _TEXT = 1, 2, 4  # classes of variables
_NUMBERS = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
_IS_COMPLEX = 0x0800


def read_variables(path: str, names: tuple[str, ...]) -> dict[str, Any]:
    """The variables `names` of a file.

    Returns:
        By name: numbers as an array of the variable's type and shape; a text as a string, several rows of it
        as a list without blanks at their ends; cells as a list of their values, column by column; structs
        as a list of dicts, likewise.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no such file (`-v7.3` writes HDF5 instead), is damaged, lacks a variable, or has
            one of another kind.
    """
    try:
        found = {}
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size > 2 * MAX_BYTES:
                raise ValueError(f"more than {2 * MAX_BYTES} bytes")
            content = memoryview(file.read())
        if bytes(content[124:_HEADER_BYTES]) in _HDF5_VERSIONS or bytes(content[:4]) == b"\x89HDF":
            raise ValueError("one of -v7.3, which is HDF5; save it by -v7, or by scipy.io.savemat")
        byte_order = {b"IM": "<", b"MI": ">"}.get(bytes(content[126:_HEADER_BYTES]))
        if byte_order is None:
            raise ValueError("another kind of file")
        for element in _elements(content[_HEADER_BYTES:], byte_order):
            if element.kind == _COMPRESSED:
                element = next(_elements(_decompressed(element.content), byte_order), element)
            if element.kind == _MATRIX:
                variable = _Variable(element.content, byte_order)
                found[variable.name] = variable.value() if variable.name in names else None
        missing = [name for name in names if name not in found]
        if missing:
            raise ValueError(f"no variable {missing[0]} among {list(found)[:10]}")
    except (ValueError, zlib.error) as error:
        raise ValueError(f"{path} must be a MATLAB 5 file with {' and '.join(names)}. "
                         f"Received: {error}.") from error
    return {name: found[name] for name in names}


@dataclasses.dataclass(frozen=True)
class _Element:
    kind: int
    content: memoryview


_NOTHING = _Element(0, memoryview(b""))


def _decompressed(content: memoryview) -> memoryview:
    stream = zlib.decompressobj()
    limit = min(MAX_BYTES, _SLACK + _MAX_RATIO * len(content))
    plain = stream.decompress(content, limit)
    if stream.unconsumed_tail or not stream.eof:
        raise ValueError(f"a variable of more than {limit} bytes, or cut off")
    return memoryview(plain)


def _elements(content: memoryview, byte_order: str) -> Iterator[_Element]:
    """The elements that stand one after the other in `content`."""
    start = 0
    while start < len(content):
        if start + 8 > len(content):
            raise ValueError(f"an element of {len(content) - start} bytes, fewer than its head has")
        kind, size = (int(value) for value in np.frombuffer(content[start:start + 8], f"{byte_order}u4"))
        if kind >> 16:  # four bytes or fewer stand in the head itself
            kind, size, first, step = kind & 0xFFFF, kind >> 16, start + 4, 8
        else:
            first, step = start + 8, 8 + (size if kind == _COMPRESSED else -(-size // 8) * 8)
        if size > len(content) - first or (first == start + 4 and size > 4):
            raise ValueError(f"an element of {size} bytes where {len(content) - first} are left")
        yield _Element(kind, content[first:first + size])
        start += step


class _Variable:
    """A variable's head; its value is read when asked for."""

    def __init__(self, content: memoryview, byte_order: str, depth: int = 0):
        if depth > _MAX_DEPTH:
            raise ValueError(f"cells and structs more than {_MAX_DEPTH} deep")
        self._byte_order, self._depth = byte_order, depth
        self._parts = _elements(content, byte_order)
        flags, dims, name = (next(self._parts, _NOTHING) for _ in range(3))
        self.name = bytes(name.content).decode("latin-1")
        self._is_empty = not len(content)  # how MATLAB writes a cell that was never filled
        if self._is_empty:
            return
        if len(flags.content) < 4 or len(dims.content) % 4 or len(dims.content) < 8:
            raise ValueError(f"a variable {self.name!r} without flags or dimensions")
        bits = int(np.frombuffer(flags.content[:4], f"{byte_order}u4")[0])
        self._kind, self._is_complex = bits & 0xFF, bool(bits & _IS_COMPLEX)
        self._shape = tuple(int(side) for side in np.frombuffer(dims.content, f"{byte_order}i4"))
        if min(self._shape) < 0:
            raise ValueError(f"a variable {self.name!r} of shape {self._shape}")

    def value(self) -> Any:
        """As `read_variables` gives it."""
        if self._is_empty:
            return np.zeros((0, 0))
        count = math.prod(self._shape)
        if self._kind == _CELL:
            return self._inner(count)
        if self._kind == _STRUCT:
            keys = self._keys()
            values = self._inner(count * len(keys))
            return [dict(zip(keys, values[row * len(keys):(row + 1) * len(keys)])) for row in range(count)]
        stored = next(self._parts, _NOTHING)
        if self._kind == _TEXT:
            return self._text(stored, count)
        if self._kind not in _NUMBERS or self._is_complex or stored.kind not in _STORED:
            raise ValueError(f"{self.name!r} of a kind that is not read, such as sparse or complex numbers")
        dtype = np.dtype(_NUMBERS[self._kind])
        stored_dtype = np.dtype(self._byte_order + _STORED[stored.kind])
        if count * stored_dtype.itemsize != len(stored.content) or count * dtype.itemsize > MAX_BYTES:
            raise ValueError(f"{self.name!r} of shape {self._shape} with {len(stored.content)} bytes")
        return np.frombuffer(stored.content, stored_dtype).astype(dtype).reshape(self._shape, order="F")

    def _inner(self, count: int) -> list[Any]:
        values = []
        for element in itertools.islice(self._parts, min(count, MAX_BYTES) + 1):
            if element.kind != _MATRIX:
                raise ValueError(f"{self.name!r} with an element of type {element.kind} among its values")
            values.append(_Variable(element.content, self._byte_order, self._depth + 1).value())
        if len(values) != count:
            raise ValueError(f"{self.name!r} with {len(values)} values where there should be {count}")
        return values

    def _keys(self) -> list[str]:
        length, keys = next(self._parts, _NOTHING), next(self._parts, _NOTHING)
        sizes = np.frombuffer(length.content[:4] if len(length.content) > 3 else b"", f"{self._byte_order}i4")
        size = int(sizes[0]) if sizes.size else 0
        if size < 1 or len(keys.content) % size or not len(keys.content):
            raise ValueError(f"a struct {self.name!r} without names of its fields")
        names = bytes(keys.content)
        return [names[start:start + size].split(b"\0")[0].decode("latin-1")
                for start in range(0, len(names), size)]

    def _text(self, stored: _Element, count: int) -> str | list[str]:
        encoding = _ENCODINGS.get(stored.kind, "")
        if encoding in ("utf-16", "utf-32"):
            encoding += "-le" if self._byte_order == "<" else "-be"
        text = bytes(stored.content).decode(encoding) if encoding else ""
        if not encoding or len(text) != count or len(self._shape) != 2:
            raise ValueError(f"a text {self.name!r} of shape {self._shape} with {len(text)} characters")
        if self._shape[0] <= 1 or not text:
            return text
        return [text[row::self._shape[0]].rstrip() for row in range(self._shape[0])]
