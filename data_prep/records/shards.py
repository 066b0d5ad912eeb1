"""TFRecord files named <split>-<i:05d>-of-<n:05d>: write, find and check them."""

from __future__ import annotations

import array
import hashlib
import io
import os
import re
from collections.abc import Iterable

from data_prep.records.manifest import Shard
from data_prep.records.record_file import record_parts
from data_prep.records.record_places import keep_lengths
from data_prep.stage import files

_NAME = re.compile(r"(?P<split>.+)-(?P<index>\d{5})-of-(?P<count>\d{5})")
_BLOCK = 1 << 22  # bytes read at a time


def shard_name(split: str, index: int, count: int) -> str:
    """File name of shard `index` (from 0) of `count`: `shard_name("train", 2, 8)` is train-00002-of-00008."""
    return f"{split}-{index:05d}-of-{count:05d}"


def is_shard_name(name: str) -> bool:
    """Whether a file name, without folder, is that of a shard."""
    return _NAME.fullmatch(name) is not None


def find_shards(pattern: str) -> list[str]:
    """The shard files that match a glob pattern, sorted.

    Raises:
        FileNotFoundError: if no shard matches.
        ValueError: if shards of two numberings match, such as -of-00008 and -of-00016.
    """
    paths = [path for path in files.matching(pattern, inside="") if is_shard_name(os.path.basename(path))]
    if not paths:
        raise FileNotFoundError(f"No shard <split>-<i>-of-<n> matches the pattern {pattern!r}.")
    counts: dict[str, set[str]] = {}
    for path in paths:
        parts = _NAME.fullmatch(os.path.basename(path))
        counts.setdefault(parts["split"], set()).add(parts["count"])
    for split, found in counts.items():
        if len(found) > 1:
            raise ValueError(f"The shards of a split must be of one numbering. Received: {split}-*-of-"
                             f"{', '.join(sorted(found))} for the pattern {pattern!r}.")
    return paths


def write_shard(path: str, examples: Iterable[bytes]) -> Shard:
    """Writes serialized examples to a TFRecord file, whole or not at all, and describes it.

    Where the records lie is kept beside it, see `record_places`.
    """
    num_bytes, digest = 0, hashlib.sha256()
    lengths = array.array("q")
    parts: list[bytes] = []
    num_waiting = 0

    def write(file: io.FileIO) -> int:
        block = b"".join(parts)
        parts.clear()
        digest.update(block)
        file.write(block)
        return len(block)

    with files.replacing(path) as temporary, open(temporary, "wb") as file:
        for example in examples:
            parts += record_parts(example)
            lengths.append(len(example))
            num_waiting += len(example)
            if num_waiting >= _BLOCK:  # larger pieces mean less waiting for Python's lock among threads
                num_bytes += write(file)
                num_waiting = 0
        num_bytes += write(file)
    shard = Shard(os.path.basename(path), len(lengths), num_bytes, digest.hexdigest())
    keep_lengths(path, shard, lengths)
    return shard


def check_shard(path: str, shard: Shard) -> None:
    """Compares a file with its description, byte for byte through the SHA-256.

    Raises:
        ValueError: if they differ.
        FileNotFoundError: if there is no such file.
    """
    num_bytes = os.path.getsize(path)
    if num_bytes != shard.num_bytes:
        raise ValueError(f"{path} must have {shard.num_bytes} bytes. Received: {num_bytes} bytes.")
    sha256 = files.sha256_of(path)
    if sha256 != shard.sha256:
        raise ValueError(f"{path} must have SHA-256 {shard.sha256}. Received: {sha256}.")
