"""Records of shards by number: where they lie, what is written in them besides the image, and their bytes.

What is found in a shard is kept in the folder .details/ beside it, where it can be written, so that it is
looked for once: where its records lie (see `record_places`) and what `read_details` reads.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence
from concurrent import futures
from typing import NamedTuple

import numpy as np
from absl import logging

from data_prep.records.example import DOMAIN, LABEL, NO_LABEL, PAIR
from data_prep.records.fields_without_image import read_light_features
from data_prep.records.manifest import Shard
from data_prep.records.record_file import TAIL_BYTES, masked_crc
from data_prep.records.record_places import details_path, found_spans, keep, spans_of
from data_prep.stage import storage
from data_prep.stage.byte_ranges import OpenFiles, open_file, read_parts
from data_prep.stage.numpy_files import reading_npz

_WORKERS = 16  # shards looked into at a time; as many as an order of training draws from
_REMOTE_READS = 128  # at a time, of all calls together; chosen


class Details(NamedTuple):
    """What records hold besides their images; all arrays are [num_records]."""

    labels: np.ndarray  # int64; -1: none
    domains: np.ndarray  # bytes; empty: none
    pairs: np.ndarray  # bytes, a key that both images of a pair have; empty: none


class RecordReader:
    """Serialized examples by number, counted through the shards in the order of their names.

    Args:
        files: paths of the shards, sorted.
        shards: their descriptions.
    """

    def __init__(self, files: Sequence[str], shards: Sequence[Shard]):
        self._files, self._shards = list(files), list(shards)
        self._ends = np.cumsum([shard.num_examples for shard in shards])
        self._spans: dict[int, np.ndarray] = {}
        self._locks = [threading.Lock() for _ in files]
        self._open = OpenFiles()
        self._pool = None
        if any(map(storage.is_remote, files)):  # each read waits for long, so that many wait side by side
            self._pool = futures.ThreadPoolExecutor(_REMOTE_READS)

    def read(self, numbers: np.ndarray) -> np.ndarray:
        """Serialized examples, object [n] of bytes, in the order of `numbers`.

        Raises:
            ValueError: if a record is damaged, or a shard holds fewer than its description says.
        """
        files = np.searchsorted(self._ends, numbers, side="right")
        examples = np.empty(len(numbers), object)
        needed = np.unique(files).tolist()
        unknown = [file for file in needed if file not in self._spans]
        if len(unknown) > 1:
            with futures.ThreadPoolExecutor(_WORKERS) as pool:
                list(pool.map(self._spans_of, unknown))
        places = [np.flatnonzero(files == file) for file in needed]
        records = (self._pool.map if self._pool else map)(
            self._records, needed, [numbers[here] for here in places])
        for here, found in zip(places, records):
            examples[here] = found
        return examples

    def _records(self, file: int, numbers: np.ndarray) -> list[bytes]:
        """The data of records of one shard."""
        inside = numbers - (self._ends[file] - self._shards[file].num_examples)
        spans = self._spans_of(file)[inside]
        records = self._read(file, spans)
        if None in records and self._looked_anew(file):  # what was kept may be of another file
            spans = self._spans_of(file)[inside]
            records = self._read(file, spans)
        if None in records:
            raise ValueError(f"Records of {self._files[file]} must be whole. Received: at byte "
                             f"{spans[records.index(None)][0]} one whose CRC does not match; validate "
                             "the shards.")
        return records

    def _read(self, file: int, spans: np.ndarray) -> list[bytes | None]:
        """The data of records of one shard; None for those that are damaged."""
        records = read_parts(self._open.get(self._files[file]), spans + (0, TAIL_BYTES))
        return [data if int.from_bytes(tail, "little") == masked_crc(data) else None
                for data, tail in ((record[:-TAIL_BYTES], record[-TAIL_BYTES:]) for record in records)]

    def _spans_of(self, file: int) -> np.ndarray:
        """Offset and length of each record of a shard, int64 [n, 2]."""
        with self._locks[file]:
            if file not in self._spans:
                self._spans[file] = spans_of(self._files[file], self._shards[file])
            return self._spans[file]

    def _looked_anew(self, file: int) -> bool:
        """Whether the records of a shard lie elsewhere than was kept of them."""
        with self._locks[file]:
            before = self._spans[file]
            self._spans[file] = found_spans(self._files[file], self._shards[file])
            is_other = not np.array_equal(before, self._spans[file])
        if is_other:
            logging.warning("Records of %s lie elsewhere than .details/ says; they were looked for anew.",
                            self._files[file])
        return is_other


def read_details(files: Sequence[str], shards: Sequence[Shard]) -> Details:
    """The details of every record of some shards, in their order; images are stepped over.

    Raises:
        ValueError: if a shard is damaged or holds fewer records than its description says.
    """
    with futures.ThreadPoolExecutor(_WORKERS) as pool:
        parts = list(pool.map(_details_of, files, shards))
    return Details(*(np.concatenate(columns) for columns in zip(*parts)))


def _details_of(path: str, shard: Shard) -> Details:
    kept = details_path(path, shard, "npz")
    try:
        with reading_npz(kept, "details of a shard") as stored:
            details = Details(*map(stored.read, Details._fields))
        if {len(column) for column in details} == {shard.num_examples}:
            return details
    except (OSError, ValueError, TypeError):
        pass  # not there yet, or damaged
    rows = []
    file = open_file(path)
    for offset, length in spans_of(path, shard):
        features = read_light_features(file, int(offset), int(length)).feature
        label = features[LABEL].int64_list.value if LABEL in features else ()
        texts = (features[name].bytes_list.value if name in features else () for name in (DOMAIN, PAIR))
        rows.append((label[0] if label else NO_LABEL, *(text[0] if text else b"" for text in texts)))
    labels, domains, pairs = zip(*rows) if rows else ((), (), ())
    details = Details(np.array(labels, np.int64), np.array(domains, bytes), np.array(pairs, bytes))
    content = io.BytesIO()
    np.savez(content, **details._asdict())
    keep(kept, content.getvalue())
    return details
