"""Parts of a file, read by where they lie, from several threads and in as few reads as will do."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from data_prep.stage import storage
from data_prep.stage.lazy_module import LazyModule

tf = LazyModule("tensorflow")

_GAP = 1 << 15  # bytes between two parts that are read along rather than stepped over; chosen
_LONGEST = 1 << 23  # bytes of parts that are read together; chosen
_MOST_OPEN = 64  # files; chosen


class RangeFile:
    """A file whose bytes are read by their place; closed when nobody has it any more.

    Args:
        path: of the file.

    Attributes:
        path: of the file.
        num_bytes: of the file, when it was opened.
    """

    def __init__(self, path: str):
        self.path = path
        self._descriptor = os.open(path, os.O_RDONLY)
        self.num_bytes = os.fstat(self._descriptor).st_size

    def __del__(self):
        if hasattr(self, "_descriptor"):
            os.close(self._descriptor)

    def read(self, offset: int, length: int) -> bytes:
        """`length` bytes from `offset` on, fewer at the end of the file."""
        return os.pread(self._descriptor, length, offset)


class RemoteFile:
    """A `RangeFile` in storage that TensorFlow reads; each thread that reads at a time has its own stream."""

    def __init__(self, path: str):
        self.path = path
        self._streams: list[Any] = []  # that nobody reads from
        self.num_bytes = storage.num_bytes(path)

    def read(self, offset: int, length: int) -> bytes:
        """`length` bytes from `offset` on, fewer at the end of the file."""
        with storage.reaching(self.path):
            try:
                stream = self._streams.pop()
            except IndexError:
                stream = tf.io.gfile.GFile(self.path, "rb")
            stream.seek(min(offset, self.num_bytes))
            found = stream.read(length)
        self._streams.append(stream)
        return found


def open_file(path: str) -> RangeFile | RemoteFile:
    """A file to read parts of, on this machine or elsewhere."""
    return RemoteFile(path) if storage.is_remote(path) else RangeFile(path)


class OpenFiles:
    """Files that are read again and again: the last few dozen stay open."""

    def __init__(self):
        self._files: dict[str, RangeFile | RemoteFile] = {}
        self._lock = threading.Lock()

    def get(self, path: str) -> RangeFile | RemoteFile:
        """The file, opened unless it is open."""
        file = self._files.get(path) or open_file(path)
        with self._lock:
            self._files.pop(path, None)
            self._files[path] = file  # the last used come last
            if len(self._files) > _MOST_OPEN:
                del self._files[next(iter(self._files))]
        return file


def read_parts(file: RangeFile | RemoteFile,
               spans: Sequence[tuple[int, int]] | np.ndarray) -> list[bytes]:
    """Parts of a file in the order of `spans`; parts that lie close together are read together.

    Args:
        file: to read from.
        spans: offset and length of each part, bytes.

    Returns:
        The bytes of each part, fewer where the file ends before.
    """
    spans = np.asarray(spans, np.int64).reshape(-1, 2)
    parts: list[bytes] = [b""] * len(spans)
    order = np.argsort(spans[:, 0], kind="stable").tolist()
    starts, ends = spans[:, 0].tolist(), spans.sum(axis=1).tolist()
    while order:
        start, end = starts[order[0]], ends[order[0]]
        count = 1
        while (count < len(order) and starts[order[count]] - end <= _GAP
               and ends[order[count]] - start <= _LONGEST):
            end = max(end, ends[order[count]])
            count += 1
        block = file.read(start, end - start)
        for place in order[:count]:
            parts[place] = block[starts[place] - start:ends[place] - start]
        del order[:count]
    return parts
