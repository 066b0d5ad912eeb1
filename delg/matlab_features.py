"""Feature files of the revisited benchmark: `.mat` with global descriptors of index images and queries.

    X  [D, N]  index images, in the order of the ground truth's `imlist`
    Q  [D, M]  queries, in the order of its `qimlist`

A column is an image's descriptor. The files hold no ids: the ground truth has them.

SciPy's reader can end the process on a damaged file, so the few parts of the format that two matrices need
are read here: a header of 128 bytes, then elements of a type, a number of bytes and a content filled up to
8 bytes; a matrix is an element of elements (flags, dimensions, name, values), and may be compressed.
Source: https://github.com/filipradenovic/revisitop, the features it evaluates; MathWorks, "MAT-File Format",
level 5.
"""

from __future__ import annotations

import dataclasses
import math
import os
import zlib
from collections.abc import Iterator

import numpy as np

from data_prep import atomic_file

MAX_BYTES = 2**32  # of one matrix; 6322 descriptors of 2048 dimensions take 2**26
_NAMES = ("X", "Q")
_HEADER_BYTES = 128
_MATRIX, _COMPRESSED = 14, 15  # types of elements
_VALUES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8"}  # type of element: dtype
_FLOAT_CLASSES = (6, 7)  # classes of arrays: double, single
_IS_COMPLEX = 0x0800


def write_descriptors(path: str, index_descriptors: np.ndarray, query_descriptors: np.ndarray) -> None:
    """Writes the two sets of descriptors as single-precision matrices of a MATLAB 5 file.

    Args:
        path: of the file, replaced if there.
        index_descriptors: float, [N, D].
        query_descriptors: float, [M, D].

    Raises:
        ValueError: if they are not two matrices of one dimension, or larger than a MATLAB 5 file takes.
    """
    from scipy import io  # takes a while, and only this format needs it
    matrices = [np.asarray(descriptors, np.float32) for descriptors in (index_descriptors, query_descriptors)]
    if any(matrix.ndim != 2 for matrix in matrices) or len({matrix.shape[1] for matrix in matrices}) > 1:
        raise ValueError(f"{path} must be of index and query descriptors with the same dimension. "
                         f"Received: {matrices[0].shape} and {matrices[1].shape}.")
    if max(matrix.nbytes for matrix in matrices) >= 2**31:
        raise ValueError(f"A matrix in {path} must be below 2 GiB, the limit of MATLAB 5 files. "
                         f"Received: {matrices[0].shape} and {matrices[1].shape} in single precision.")
    with atomic_file.replacing(path) as temporary, open(temporary, "wb") as file:
        io.savemat(file, {name: matrix.T for name, matrix in zip(_NAMES, matrices)})


def read_descriptors(path: str) -> tuple[np.ndarray, np.ndarray]:
    """Descriptors of the index images, float32 [N, D], and of the queries, float32 [M, D], not normalised.

    Files of MATLAB 5 to 7 are read (`-v7.3` writes HDF5 instead).

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no such file, or X and Q are not finite real matrices with as many rows as each
            other.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f"{path} must be a .mat feature file. Received: no such file.")
    try:
        matrices = _read_matrices(path)
        missing = [name for name in _NAMES if name not in matrices]
        if missing:
            raise ValueError(f"no matrix {missing[0]} among {list(matrices)[:10]}")
    except (ValueError, zlib.error) as error:
        raise ValueError(f"{path} must be a MATLAB 5 file with the matrices X and Q. "
                         f"Received: {error}.") from error
    index, query = (matrices[name] for name in _NAMES)
    if index.shape[0] != query.shape[0] or not (np.all(np.isfinite(index)) and np.all(np.isfinite(query))):
        raise ValueError(f"X and Q of {path} must be [D, N] and [D, M] and finite. "
                         f"Received: {index.shape} and {query.shape}.")
    return np.ascontiguousarray(index.T, np.float32), np.ascontiguousarray(query.T, np.float32)


@dataclasses.dataclass(frozen=True)
class _Element:
    kind: int
    content: memoryview


_NOTHING = _Element(0, memoryview(b""))


def _read_matrices(path: str) -> dict[str, np.ndarray | None]:
    """The matrices of a file by name, None for those that are not looked into."""
    size = os.path.getsize(path)
    if size > 2 * MAX_BYTES:
        raise ValueError(f"{size} bytes")
    with open(path, "rb") as file:
        content = memoryview(file.read())
    byte_order = {b"IM": "<", b"MI": ">"}.get(bytes(content[126:_HEADER_BYTES]))
    if byte_order is None:
        raise ValueError("another kind of file")
    matrices = {}
    for element in _elements(content[_HEADER_BYTES:], byte_order):
        if element.kind == _COMPRESSED:
            element = next(_elements(_decompressed(element.content), byte_order), element)
        if element.kind == _MATRIX:
            name, matrix = _matrix(element.content, byte_order)
            matrices[name] = matrix
    return matrices


def _decompressed(content: memoryview) -> memoryview:
    stream = zlib.decompressobj()
    plain = stream.decompress(content, MAX_BYTES + 1024)
    if stream.unconsumed_tail:
        raise ValueError(f"a matrix of more than {MAX_BYTES} bytes")
    return memoryview(plain)


def _elements(content: memoryview, byte_order: str) -> Iterator[_Element]:
    """The elements that stand one after the other in `content`."""
    start = 0
    while start + 8 <= len(content):
        kind, size = (int(value) for value in np.frombuffer(content[start:start + 8], f"{byte_order}u4"))
        if kind >> 16:  # four bytes or fewer stand in the tag itself
            kind, size, first, step = kind & 0xFFFF, kind >> 16, start + 4, 8
        else:
            first, step = start + 8, 8 + (size if kind == _COMPRESSED else -(-size // 8) * 8)
        if size > len(content) - first or (first == start + 4 and size > 4):
            raise ValueError(f"an element of {size} bytes where {len(content) - first} are left")
        yield _Element(kind, content[first:first + size])
        start += step


def _matrix(content: memoryview, byte_order: str) -> tuple[str, np.ndarray | None]:
    """Name and values of a matrix; a matrix of another name than X and Q is not looked into."""
    parts = _elements(content, byte_order)
    flags, dims, name = (next(parts, _NOTHING) for _ in range(3))
    name_text = bytes(name.content).decode("latin-1")
    if name_text not in _NAMES:
        return name_text, None
    if len(flags.content) < 4 or len(dims.content) % 4:
        raise ValueError(f"a matrix {name_text} without flags or dimensions")
    flag_bits = int(np.frombuffer(flags.content[:4], f"{byte_order}u4")[0])
    shape = tuple(int(side) for side in np.frombuffer(dims.content, f"{byte_order}i4"))
    values = next(parts, _NOTHING)
    dtype = np.dtype(f"{byte_order}{_VALUES.get(values.kind, 'i1')}")
    if (flag_bits & 0xFF not in _FLOAT_CLASSES or flag_bits & _IS_COMPLEX or values.kind not in _VALUES
            or len(shape) != 2 or min(shape) < 1
            or math.prod(shape) * dtype.itemsize != len(values.content)):
        raise ValueError(f"{name_text} of shape {shape} with {len(values.content)} bytes, not a real matrix")
    return name_text, np.frombuffer(values.content, dtype).reshape(shape, order="F")
