"""Sending descriptors to a collection in batches: one that is broken off goes on from where it stopped.

    upload.jsonl, while it goes on: what is sent to where, then the digest of each batch that has arrived

A batch goes to places of its own, instead of what may be there, so that sending it twice changes nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from data_prep.stage import files
from delg.index.engines.collection import Collection

LOG = "upload.jsonl"


def unfinished(index_dir: str) -> dict[str, Any] | None:
    """What an upload that was broken off said of itself; None: there is none."""
    path = os.path.join(index_dir, LOG)
    with contextlib.suppress(OSError, ValueError), open(path, encoding="utf-8") as file:
        return json.loads(file.readline())
    return None


class Upload:
    """Batches on their way to a collection.

    Args:
        index_dir: folder of the log.
        collection: where they go; made if absent.
        first_place: of the first batch.
        facts: dimension, fingerprint and whatever else makes an upload another one; JSON-able. Where the log
            has the same, what has arrived is not sent again.

    Attributes:
        num_skipped: descriptors that had arrived before.
        end: place after the last one sent.
    """

    def __init__(self, index_dir: str, collection: Collection, first_place: int, facts: dict[str, Any]):
        self._path, self._collection = os.path.join(index_dir, LOG), collection
        self._first_place, self.end, self.num_skipped = first_place, first_place, 0
        known = unfinished(index_dir) == facts and collection.exists()
        self._arrived = _digests(self._path) if known else []
        if not known and not first_place:
            collection.drop()  # what another model gave
        collection.create(facts["dimension"], facts["fingerprint"])
        self._facts, self._sent = facts, 0
        self._write_log()

    def send(self, ids: Sequence[str], descriptors: np.ndarray) -> np.ndarray:
        """Sends unit descriptors float32 [n, D] to the next places; returns a digest of each, uint64 [n]."""
        step = self._collection.batch_rows(descriptors.shape[1])
        for first in range(0, len(ids), step):
            self._send_batch(ids[first:first + step], descriptors[first:first + step])
        return digests(descriptors)

    def _send_batch(self, ids: Sequence[str], descriptors: np.ndarray) -> None:
        content = json.dumps([self.end, list(ids)]).encode() + np.ascontiguousarray(descriptors).tobytes()
        digest = hashlib.blake2b(content, digest_size=16).hexdigest()
        if self._sent < len(self._arrived) and self._arrived[self._sent] == digest:
            self.num_skipped += len(ids)
        else:
            if self._sent < len(self._arrived):  # those were of other images
                del self._arrived[self._sent:]
                self._write_log()
            self._collection.upsert(self.end, ids, descriptors)
            with open(self._path, "a", encoding="utf-8") as file:
                file.write(f"{digest}\n")
        self._sent += 1
        self.end += len(ids)

    def _write_log(self) -> None:
        with files.replacing(self._path) as temporary, open(temporary, "w", encoding="utf-8") as file:
            file.write("\n".join([json.dumps(self._facts), *self._arrived, ""]))

    def finish(self, index_type: str, parameters: dict[str, Any]) -> None:
        """Makes what was sent searchable, and looks whether all of it is there.

        Raises:
            OSError: if it is not.
        """
        self._collection.settle(index_type, parameters)
        self._collection.delete_from(self.end)  # of an upload that was broken off, of more images
        num_found = self._collection.count(self._first_place, self.end)
        if num_found != self.end - self._first_place:
            self.forget()
            raise OSError(f"Collection {self._collection.name!r} at {self._collection.uri} must hold the "
                          f"{self.end - self._first_place} descriptors that were sent: run again, to send "
                          f"them all. Received: {num_found}.")

    def forget(self) -> None:
        """Removes the log: the next upload is a new one."""
        os.remove(self._path)


def _digests(path: str) -> list[str]:
    """Of the batches that have arrived; the last line may be broken off, and then equals none."""
    with open(path, encoding="utf-8") as file:
        return file.read().split("\n")[1:-1]


def digests(descriptors: np.ndarray) -> np.ndarray:
    """uint64 [n]: of each of float32 [n, D], to its last bit."""
    rows = np.ascontiguousarray(descriptors, np.float32)
    return np.frombuffer(b"".join(hashlib.blake2b(row, digest_size=8).digest() for row in rows), np.uint64)
