"""In which order training reads the records of some shards: arithmetic on their numbers, no file is opened.

Records are numbered through the shards in the order of their names. The order of any stretch of training
follows from the seed alone, so that taking up a training costs nothing but the arithmetic.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

FILES_AT_ONCE = 16  # shards that a window draws from; chosen


class Stretch(NamedTuple):
    """Examples to read, one after the other."""

    places: np.ndarray  # int64 [n]: place of each in the training of all workers together, from 0
    numbers: np.ndarray  # int64 [n]: its record


class RecordOrder:
    """Every record once an epoch, shuffled; several workers share each batch.

    An epoch shuffles the shards, goes through some of them side by side, and shuffles the records of each
    window of that sequence. Of a set no larger than the window every order is as likely as any other.
    Worker w of W reads the blocks w, w + W, w + 2 W, ... of that order. With blocks of a batch's W-th part
    all together read at each step what one alone would read then, whatever W is, from one run to the next.

    Args:
        counts: examples of each shard.
        seed: same seed, same order.
        window: records shuffled together.
        worker_index: of this worker, from 0.
        num_workers: that share each batch.
        block: examples that a worker reads of each batch.
        files_at_once: shards that are gone through side by side.

    Raises:
        ValueError: if the worker is none of `num_workers`.
    """

    def __init__(self, counts: Sequence[int], seed: int, window: int, worker_index: int = 0,
                 num_workers: int = 1, block: int = 1, files_at_once: int = FILES_AT_ONCE):
        check_worker(worker_index, num_workers)
        self._num_examples = int(sum(counts))
        self._worker_index, self._num_workers, self._block = worker_index, num_workers, block
        self._counts, self._seed, self._window = np.asarray(counts, np.int64), seed, window
        self._files_at_once = files_at_once
        self._epoch = functools.lru_cache(maxsize=2)(self._shuffled_epoch)

    def take(self, start: int, count: int) -> Stretch:
        """`count` examples of this worker from its example `start` (over all epochs) on."""
        blocks, inside = np.divmod(np.arange(start, start + count), self._block)
        places = (blocks * self._num_workers + self._worker_index) * self._block + inside
        epochs, of_epoch = np.divmod(places, self._num_examples)
        numbers = np.empty(count, np.int64)
        for epoch in np.unique(epochs):
            numbers[epochs == epoch] = self._epoch(int(epoch))[of_epoch[epochs == epoch]]
        return Stretch(places, numbers)

    def _shuffled_epoch(self, epoch: int) -> np.ndarray:
        random = generator(self._seed, epoch)
        firsts = np.cumsum(self._counts) - self._counts
        files = random.permutation(len(self._counts))
        order = np.empty(self._num_examples, np.int64)
        done = 0
        for group in np.split(files, range(self._files_at_once, len(files), self._files_at_once)):
            # Side by side: a record comes when its share of its shard is done.
            shares = np.concatenate([(np.arange(self._counts[file]) + 0.5) / max(1, self._counts[file])
                                     for file in group])
            numbers = np.concatenate([firsts[file] + np.arange(self._counts[file]) for file in group])
            order[done:done + len(numbers)] = numbers[np.argsort(shares, kind="stable")]
            done += len(numbers)
        for start in range(0, self._num_examples, self._window):
            random.shuffle(order[start:start + self._window])
        return order


def check_worker(worker_index: int, num_workers: int) -> None:
    """Checks that a worker is one of its kind.

    Raises:
        ValueError: it is not.
    """
    if not 0 <= worker_index < num_workers:
        raise ValueError("`worker_index` must be from 0 to `num_workers` - 1. "
                         f"Received: worker_index={worker_index}, num_workers={num_workers}.")


def generator(*key: int) -> np.random.Generator:
    """A generator of random numbers that depends on these whole numbers alone."""
    return np.random.default_rng([number & (2**64 - 1) for number in key])
