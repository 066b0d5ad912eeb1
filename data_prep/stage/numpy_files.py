"""NumPy's files read without believing what they claim: no array is made that the file has no bytes for.

A checksum of each array stands in an .npz file, as in every zip archive, and is compared when it is read.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from data_prep.stage import storage

_FAULTS = (OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error,
           MemoryError, OverflowError, SyntaxError, tokenize.TokenError)
BYTES_PER_BYTE = 1100  # most that deflate, of zip archives and of HDF5, makes of a byte (1032)
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


class NpzFile:
    """The arrays of an .npz file, read one at a time; made by `reading_npz`.

    Attributes:
        names: of the arrays.
    """

    def __init__(self, archive: zipfile.ZipFile, num_bytes: int):
        self._archive, self._num_bytes = archive, num_bytes
        self._members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        self.names = list(self._members)

    def shape(self, name: str) -> tuple[int, ...]:
        """What an array claims to be, without reading it."""
        with self._archive.open(self._members[name]) as file:
            return _read_header(file)[0]

    def read(self, name: str) -> np.ndarray:
        """One array, whole."""
        info = self._members[name]
        if info.file_size > BYTES_PER_BYTE * min(info.compress_size, self._num_bytes):
            raise ValueError(f"{name} of {info.file_size} bytes in a file of {self._num_bytes}")
        return read_npy(self._archive.read(info))


@contextlib.contextmanager
def reading_npz(path: str, what: str) -> Iterator[NpzFile]:
    """An open .npz file.

    Args:
        path: of the file.
        what: what it must be, for messages, such as "a whitening (.npz)".

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is none, or is damaged; also for what goes wrong in the block.
    """
    try:
        with storage.open_binary(path) as file, zipfile.ZipFile(file) as archive:
            yield NpzFile(archive, file.seek(0, os.SEEK_END))
    except FileNotFoundError:
        raise
    except _FAULTS as error:
        raise ValueError(f"{path} must be {what}. Received: {type(error).__name__}: {error}.") from error


def load_npy(path: str, what: str) -> np.ndarray:
    """The array of an .npy file, whole.

    Args and errors are those of `reading_npz`.
    """
    try:
        with storage.open_binary(path) as file:
            return read_npy(file.read())
    except FileNotFoundError:
        raise
    except _FAULTS as error:
        raise ValueError(f"{path} must be {what}. Received: {type(error).__name__}: {error}.") from error


def read_npy(content: bytes) -> np.ndarray:
    """The array in the bytes of an .npy file.

    Raises:
        ValueError: they are none, or are fewer or more than it claims.
    """
    file = io.BytesIO(content)
    shape, is_fortran, dtype = _read_header(file)
    left = len(content) - file.tell()
    if dtype.hasobject or math.prod(shape) * dtype.itemsize != left:
        raise ValueError(f"an array of {dtype} {shape} in {left} bytes")
    array = np.frombuffer(bytearray(memoryview(content)[file.tell():]), dtype, math.prod(shape))
    return array.reshape(shape, order="F" if is_fortran else "C")


def _read_header(file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"an .npy file of version {version}")
    return _HEADERS[version](file)
