"""Records of shards by number: where they lie, what is written in them besides the image, and their bytes.

Finding the records of a shard reads a few bytes of each, on first use. What `read_details` finds is kept in
the folder .details/ beside the shards, where it can be written, so that it is read once.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from concurrent import futures
from typing import NamedTuple

import numpy as np

from data_prep.records.example import DOMAIN, LABEL, NO_LABEL, PAIR
from data_prep.records.fields_without_image import read_light_features
from data_prep.records.manifest import Shard
from data_prep.records.record_file import TAIL_BYTES, masked_crc, record_spans
from data_prep.stage import files as stage_files
from data_prep.stage.numpy_files import reading_npz

_DETAILS_DIR = ".details"
_WORKERS = 8  # shards looked into at a time


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
        self._files = list(files)
        self._ends = np.cumsum([shard.num_examples for shard in shards])
        self._counts = [shard.num_examples for shard in shards]
        self._spans: dict[int, np.ndarray] = {}
        self._locks = [threading.Lock() for _ in files]

    def read(self, numbers: np.ndarray) -> np.ndarray:
        """Serialized examples, object [n] of bytes, in the order of `numbers`.

        Raises:
            ValueError: if a record is damaged, or a shard holds fewer than its description says.
        """
        files = np.searchsorted(self._ends, numbers, side="right")
        examples = np.empty(len(numbers), object)
        for file in np.unique(files):
            path, first = self._files[file], self._ends[file] - self._counts[file]
            spans = self._spans_of(file)
            with open(path, "rb", buffering=0) as opened:
                for place in np.flatnonzero(files == file):
                    offset, length = map(int, spans[numbers[place] - first])
                    data = os.pread(opened.fileno(), length, offset)
                    tail = os.pread(opened.fileno(), TAIL_BYTES, offset + length)
                    if int.from_bytes(tail, "little") != masked_crc(data):
                        raise ValueError(f"Records of {path} must be whole. Received: at byte {offset} one "
                                         "whose CRC does not match; validate the shards.")
                    examples[place] = data
        return examples

    def _spans_of(self, file: int) -> np.ndarray:
        """Offset and length of each record of a shard, int64 [n, 2]."""
        with self._locks[file]:
            if file not in self._spans:
                self._spans[file] = _checked_spans(self._files[file], self._counts[file])
            return self._spans[file]


def read_details(files: Sequence[str], shards: Sequence[Shard]) -> Details:
    """The details of every record of some shards, in their order; images are stepped over.

    Raises:
        ValueError: if a shard is damaged or holds fewer records than its description says.
    """
    with futures.ThreadPoolExecutor(_WORKERS) as pool:
        parts = list(pool.map(_details_of, files, shards))
    return Details(*(np.concatenate(columns) for columns in zip(*parts)))


def _details_of(path: str, shard: Shard) -> Details:
    kept = os.path.join(os.path.dirname(path), _DETAILS_DIR, f"{shard.file}.{shard.sha256[:16]}.npz")
    try:
        with reading_npz(kept, "details of a shard") as stored:
            details = Details(*map(stored.read, Details._fields))
        if {len(column) for column in details} == {shard.num_examples}:
            return details
    except (OSError, ValueError, TypeError):
        pass  # not there yet, or damaged
    rows = []
    with open(path, "rb", buffering=0) as file:
        for offset, length in _checked_spans(path, shard.num_examples):
            features = read_light_features(file, int(offset), int(length)).feature
            label = features[LABEL].int64_list.value if LABEL in features else ()
            texts = (features[name].bytes_list.value if name in features else () for name in (DOMAIN, PAIR))
            rows.append((label[0] if label else NO_LABEL, *(text[0] if text else b"" for text in texts)))
    labels, domains, pairs = zip(*rows) if rows else ((), (), ())
    details = Details(np.array(labels, np.int64), np.array(domains, bytes), np.array(pairs, bytes))
    try:
        with stage_files.replacing(kept) as temporary, open(temporary, "wb") as file:
            np.savez(file, **details._asdict())
    except OSError:
        pass  # shards that may only be read are looked into each time
    return details


def _checked_spans(path: str, count: int) -> np.ndarray:
    spans = np.array(list(record_spans(path)), np.int64).reshape(-1, 2)
    if len(spans) != count:
        raise ValueError(f"{path} must hold the {count} records that its dataset.json says. "
                         f"Received: {len(spans)} records.")
    return spans
