"""The ids of a split as 8-byte hashes, so that those of millions of images fit; read back where in doubt."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from data_prep.checking.shard_check import hash_ids
from data_prep.records import example, record_file


class Place(NamedTuple):
    """Where a record lies."""

    file: str
    record: int  # from 0
    offset: int  # bytes


class IdTable:
    """Which ids a split holds, and where.

    Args:
        folder: of the shards.
        files: of the split, in order.
        hashes: uint64 [number of records] for each file, of `shard_check.hash_ids`; 0: not readable.
    """

    def __init__(self, folder: str, files: Sequence[str], hashes: Sequence[np.ndarray]):
        self._folder, self._files = folder, files
        self._ends = np.cumsum([len(part) for part in hashes], dtype=np.int64)
        self._hashes = np.concatenate([*hashes, np.zeros(0, np.uint64)])
        self._order = np.argsort(self._hashes, kind="stable")

    def __len__(self) -> int:
        return len(self._hashes)

    @property
    def num_unreadable(self) -> int:
        """Records whose id could not be read."""
        return int(np.sum(self._hashes == 0))

    def rows_of(self, ids: Sequence[str]) -> np.ndarray:
        """Row of each id, counted over all files; -1: the split does not hold it."""
        wanted = _hash_names(ids)
        places = np.searchsorted(self._hashes, wanted, sorter=self._order)
        rows = self._order[np.minimum(places, len(self) - 1)] if len(self) else np.zeros(len(ids), np.int64)
        return np.where(self._hashes[rows] == wanted, rows, -1) if len(self) else rows - 1

    def rows_besides(self, ids: Sequence[str]) -> np.ndarray:
        """Rows of the readable records whose id is not among `ids`."""
        known = np.isin(self._hashes, _hash_names(ids))
        return np.flatnonzero(~known & (self._hashes != 0))

    def find_duplicates(self, limit: int) -> tuple[list[tuple[str, list[Place]]], int]:
        """Ids that occur twice or more, with all their places; and the number of further occurrences.

        Up to `limit` hashes that occur twice are looked up in the shards, so that two ids of one hash are
        not taken for one.
        """
        ordered = self._hashes[self._order]
        twice = (ordered[1:] == ordered[:-1]) & (ordered[1:] != 0)
        shared = np.unique(ordered[1:][twice])
        rows = np.flatnonzero(np.isin(self._hashes, shared[:limit]))
        places: dict[str, list[Place]] = {}
        for image_id, place in self.read(rows):
            places.setdefault(image_id, []).append(place)
        num_more = int(np.sum(np.isin(ordered[1:][twice], shared[limit:])))
        return [entry for entry in places.items() if len(entry[1]) > 1], num_more

    def read(self, rows: Iterable[int]) -> list[tuple[str, Place]]:
        """Id and place of each row, read from the shards; `rows` ascend."""
        wanted: dict[int, list[int]] = {}
        for row in rows:
            part = int(np.searchsorted(self._ends, row, side="right"))
            wanted.setdefault(part, []).append(int(row) - (int(self._ends[part - 1]) if part else 0))
        found = []
        for part, records in wanted.items():
            path = os.path.join(self._folder, self._files[part])
            spans = dict(zip(range(records[-1] + 1), record_file.record_spans(path)))
            with open(path, "rb") as file:
                for record in records:
                    start, length = spans[record]
                    stored = tf.train.Example.FromString(os.pread(file.fileno(), length, start))
                    image_id = stored.features.feature[example.ID].bytes_list.value[0]
                    found.append((image_id.decode("utf-8", "backslashreplace"),
                                  Place(self._files[part], record, start - record_file.HEAD_BYTES)))
        return found


def _hash_names(names: Sequence[str]) -> np.ndarray:
    return hash_ids(name.encode("utf-8", "backslashreplace") for name in names)  # any name a disk may hold
