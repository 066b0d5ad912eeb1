"""Where the records of a shard lie, kept beside it, so that no record is looked for twice.

The folder .details/ beside the shards holds <shard>.<start of its SHA-256>.lengths.npy, int64 [num_records]:
bytes of the data of each record; the rest follows, as records lie one after the other. It is written with
the shard, or when the shard is first read, where the folder can be written. A file that is damaged, or does
not fit the size of the shard, is made anew.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Sequence

import numpy as np
from absl import logging

from data_prep.records.manifest import Shard
from data_prep.records.record_file import HEAD_BYTES, TAIL_BYTES, record_spans
from data_prep.stage import files, storage
from data_prep.stage.numpy_files import load_npy

_DETAILS_DIR = ".details"


def details_path(path: str, shard: Shard, ending: str) -> str:
    """Where something is kept that is known of a shard, which lies at `path`; other bytes, other place."""
    return os.path.join(os.path.dirname(path), _DETAILS_DIR, f"{shard.file}.{shard.sha256[:16]}.{ending}")


def keep(path: str, content: bytes) -> None:
    """Writes what is known of a shard, if it can be written; a shard that may only be read is looked through
    each time.
    """
    with contextlib.suppress(OSError):
        if storage.is_remote(path):
            storage.write(path, content)
            return
        with files.replacing(path) as temporary, open(temporary, "wb") as file:
            file.write(content)


def keep_lengths(path: str, shard: Shard, lengths: Sequence[int] | np.ndarray) -> None:
    """Keeps the lengths of the data of all records of a shard, bytes, if they can be written."""
    content = io.BytesIO()
    np.save(content, np.asarray(lengths, np.int64))
    keep(details_path(path, shard, "lengths.npy"), content.getvalue())


def spans_of(path: str, shard: Shard) -> np.ndarray:
    """Offset of each record's data and its length, both in bytes: int64 [num_records, 2].

    Raises:
        ValueError: if the shard is damaged or holds another number of records than its description says.
    """
    kept = details_path(path, shard, "lengths.npy")
    try:
        lengths = load_npy(kept, "lengths of records (.npy)")
    except FileNotFoundError:
        return found_spans(path, shard)
    except ValueError:
        lengths = None
    if lengths is not None and lengths.dtype == np.int64 and lengths.shape == (shard.num_examples,):
        num_bytes = storage.num_bytes(path)
        ends = np.cumsum(lengths + HEAD_BYTES + TAIL_BYTES)
        if np.all((lengths >= 0) & (lengths <= num_bytes)) and (num_bytes == 0 or ends[-1:] == [num_bytes]):
            return np.stack([ends - TAIL_BYTES - lengths, lengths], axis=1)
    logging.warning("%s does not fit %s; its records are looked for anew.", kept, path)
    return found_spans(path, shard)


def found_spans(path: str, shard: Shard) -> np.ndarray:
    """What `spans_of` gives, from the shard itself, whatever is kept of it; then kept."""
    spans = np.array(list(record_spans(path)), np.int64).reshape(-1, 2)
    if len(spans) != shard.num_examples:
        raise ValueError(f"{path} must hold the {shard.num_examples} records that its dataset.json says. "
                         f"Received: {len(spans)} records.")
    keep_lengths(path, shard, spans[:, 1])
    return spans
