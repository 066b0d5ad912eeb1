"""HDF5 files: written whole or not at all, and read without believing what they claim.

A disk that fills ends in an OSError. HDF5 by itself ends the process with a segmentation fault then, as the
interpreter takes down a file that cannot be closed.

Whatever byte of a written file changes, reading the part it belongs to says so: HDF5 keeps a checksum of
each chunk of an array (Fletcher-32) and, in files of its version 1.10, of everything else. Strings have one
length for that, since those of any length lie in a heap without checksums. Files of before are read too.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from data_prep.stage import files, numpy_files
from data_prep.stage.hdf5_heaps import check_heaps, has_any_length
from data_prep.stage.lazy_module import LazyModule

h5py = LazyModule("h5py")

# What HDF5 and NumPy raise where a file is not what it says.
FAULTS = (OSError, RuntimeError, KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError,
           MemoryError)
_SMALL = 2**26  # bytes that any file may ask for
_CHUNK_BYTES = 2**18  # read, and checked, at once; the library keeps four of them
_CHUNK_ROWS = 1024  # at most


class _Disk(io.FileIO):
    """A file that remembers its first failure instead of raising it inside HDF5."""

    failure: OSError | None = None

    def write(self, data: Any) -> int:
        rest = memoryview(data).cast("B")
        size = len(rest)
        while self.failure is None and rest:
            try:
                rest = rest[super().write(rest):]
            except OSError as error:
                self.failure = error
        return size

    def truncate(self, size: int | None = None) -> int:
        if self.failure is None:
            try:
                return super().truncate(size)
            except OSError as error:
                self.failure = error
        return size or 0


class Hdf5Writer:
    """A new HDF5 file; made by `writing`.

    Attributes:
        file: what is written to.
    """

    def __init__(self, disk: _Disk, checksums: bool):
        self._disk = disk
        access, creation = (h5py.h5p.create(kind) for kind in (h5py.h5p.FILE_ACCESS, h5py.h5p.FILE_CREATE))
        access.set_fileobj_driver(h5py.h5fd.fileobj_driver, disk)
        if checksums:
            access.set_libver_bounds(h5py.h5f.LIBVER_V110, h5py.h5f.LIBVER_V110)
        creation.set_obj_track_times(False)  # equal contents are equal files
        self.file = h5py.File(h5py.h5f.create(repr(disk).encode(), h5py.h5f.ACC_TRUNC, creation, access))

    def create_rows(self, name: str, tail: tuple[int, ...], dtype: str | np.dtype) -> h5py.Dataset:
        """A dataset of shape [0, *tail], to be resized and filled."""
        return self.file.create_dataset(name, (0, *tail), dtype, maxshape=(None, *tail), fletcher32=True,
                                        chunks=_chunk((_CHUNK_ROWS, *tail), dtype) if all(tail) else True)

    def write_array(self, name: str, values: np.ndarray) -> None:
        """Writes a whole dataset."""
        values = np.asarray(values)
        checked = {"chunks": _chunk(values.shape, values.dtype), "fletcher32": True} if values.size else {}
        self.file.create_dataset(name, data=values, **checked)

    def write_texts(self, name: str, texts: Sequence[str]) -> None:
        """Writes strings, [N], as UTF-8 of the length of the longest.

        Raises:
            ValueError: if a string has a zero character, which HDF5 ends strings with.
        """
        if any("\0" in text for text in texts):
            raise ValueError(f"`{name}` must be without zero characters. "
                             f"Received: {next(text for text in texts if chr(0) in text)!r}.")
        encoded = [text.encode("utf-8", "surrogateescape") for text in texts]
        longest = max((len(text) for text in encoded), default=0)
        self.write_array(name, np.array(encoded, h5py.string_dtype("utf-8", max(1, longest))))

    def describe(self, **attributes: int | str) -> None:
        """Sets attributes of the file; texts are ASCII, such as JSON."""
        for name, value in attributes.items():
            self.file.attrs[name] = np.bytes_(value.encode("ascii")) if isinstance(value, str) else value

    def check(self) -> None:
        """Raises the OSError that writing met, such as a full disk: for loops that would go on for long."""
        if self._disk.failure is not None:
            raise self._disk.failure


def _chunk(shape: tuple[int, ...], dtype: str | np.dtype) -> tuple[int, ...]:
    """Shape of a chunk: some whole rows of an array that has any values."""
    row_bytes = int(np.prod(shape[1:], dtype=np.int64)) * np.dtype(dtype).itemsize
    return (max(1, min(shape[0], _CHUNK_ROWS, _CHUNK_BYTES // row_bytes)), *shape[1:])


@contextlib.contextmanager
def writing(path: str, checksums: bool = True) -> Iterator[Hdf5Writer]:
    """A file that appears as `path` when the block ends well, and not at all otherwise.

    Args:
        path: of the file, replaced if there.
        checksums: False: in the oldest form, for programs of others.

    Raises:
        OSError: the disk is full, or the like.
    """
    with files.replacing(path) as temporary, _Disk(temporary, "w+") as disk:
        writer = Hdf5Writer(disk, checksums)
        try:
            yield writer
            writer.file.close()
        except FAULTS:
            writer.check()  # of what follows a failure of the disk, that failure is the reason
            raise
        finally:
            with contextlib.suppress(*FAULTS):
                writer.file.close()
        writer.check()


@contextlib.contextmanager
def reading(path: str, what: str) -> Iterator[h5py.File]:
    """An open file that points at no other file and asks for no more than it can hold.

    Args:
        path: of the file.
        what: what it must be, for messages, such as "a feature shard (HDF5)".

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is no HDF5 file, is damaged (in the block too), or its arrays lie in other files, or
            are of more values than the file has bytes for.
    """
    with refusing(path, what), opened(path, what) as file:
        yield file


def opened(path: str, what: str) -> h5py.File:
    """The file of `reading`, to be closed by the caller; what is read from it later is under `refusing`."""
    if not os.path.exists(path):
        raise FileNotFoundError(f"{path} must be {what}. Received: no such file.")
    with refusing(path, what), contextlib.ExitStack() as stack:
        file = stack.enter_context(h5py.File(path, "r"))
        if file.userblock_size or file.id.get_create_plist().get_sizes() != (8, 8):
            raise ValueError("a file of another kind of HDF5")
        holders: list[h5py.Group | h5py.Dataset] = []
        _check_group(file, _SMALL + numpy_files.BYTES_PER_BYTE * os.path.getsize(path), set(), holders)
        if holders:
            check_heaps(path, holders)
        stack.pop_all()
    return file


@contextlib.contextmanager
def refusing(path: str, what: str) -> Iterator[None]:
    """Turns what HDF5 raises in the block into one ValueError that names the file."""
    try:
        yield
    except FAULTS as error:
        if path in str(error) and isinstance(error, ValueError) or isinstance(error, FileNotFoundError) \
                or getattr(error, "errno", None) in files.DISK_FULL:
            raise
        came = "Received" if isinstance(error, ValueError) else "It cannot be read"
        raise ValueError(f"{path} must be {what}. {came}: {error}.") from error


def _check_group(group: h5py.Group, most_bytes: int, seen: set[int],
                 holders: list[h5py.Group | h5py.Dataset]) -> None:
    """Refuses what `reading` refuses; appends what has values or attributes of any length to `holders`."""
    address = h5py.h5o.get_info(group.id).addr
    if address in seen:  # a group may lie in itself
        return
    seen.add(address)
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ValueError(f"{group.name}/{name}, a link".replace("//", "/"))
        entry = group[name]
        if isinstance(entry, h5py.Group):
            _check_group(entry, most_bytes, seen, holders)
            continue
        if entry.external or entry.is_virtual:
            raise ValueError(f"{entry.name}, whose values lie in other files")
        for num_bytes in (entry.nbytes, math.prod(entry.chunks or (0,)) * entry.dtype.itemsize):
            if num_bytes > most_bytes:
                raise ValueError(f"{entry.name} of {num_bytes} bytes, in a file of few")
        if entry.dtype.hasobject or _has_heap(entry):
            holders.append(entry)
    if _has_heap(group):
        holders.append(group)


def _has_heap(entry: h5py.Group | h5py.Dataset) -> bool:
    return any(has_any_length(entry, name) for name in entry.attrs)
