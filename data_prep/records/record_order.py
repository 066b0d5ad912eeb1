"""In which order training reads the records of some shards: arithmetic on their numbers, no file is opened.

Records are numbered through the shards in the order of their names. The order of any stretch of training
follows from the seed alone, so that taking up a training costs nothing but the arithmetic.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

_FILES_AT_ONCE = 16  # shards that a window draws from; chosen


class Stretch(NamedTuple):
    """Examples to read, one after the other."""

    places: np.ndarray  # int64 [n]: place of each in the training of all workers together, from 0
    numbers: np.ndarray  # int64 [n]: its record


class RecordOrder:
    """Every record once an epoch, shuffled; each of several workers has its own part of every epoch.

    An epoch shuffles the shards, goes through 16 of them side by side, and shuffles the records of each
    window of that sequence. Of a set no larger than the window every order is as likely as any other.
    Worker w of W reads the examples from w * N // W to (w + 1) * N // W of each epoch: all together read
    each record once, and a worker opens few shards besides its own.

    Args:
        counts: examples of each shard.
        seed: same seed, same order.
        window: records shuffled together.
        worker_index: of this worker, from 0.
        num_workers: that share each epoch.

    Raises:
        ValueError: if the worker is none of `num_workers`, or there is no record for each.
    """

    def __init__(self, counts: Sequence[int], seed: int, window: int, worker_index: int = 0,
                 num_workers: int = 1):
        self.num_examples = int(sum(counts))
        check_worker(worker_index, num_workers)
        if num_workers > self.num_examples:
            raise ValueError("Every worker must have an example. "
                             f"Received: {self.num_examples} examples, num_workers={num_workers}.")
        self._first, self._end = (index * self.num_examples // num_workers
                                  for index in (worker_index, worker_index + 1))
        self._counts, self._seed, self._window = np.asarray(counts, np.int64), seed, window
        self._epoch = functools.lru_cache(maxsize=2)(self._shuffled_epoch)

    @property
    def epoch_length(self) -> int:
        """Examples of this worker in an epoch."""
        return self._end - self._first

    def take(self, start: int, count: int) -> Stretch:
        """`count` examples of this worker from its example `start` (over all epochs) on."""
        places, numbers = [], []
        while count:
            epoch, done = divmod(start, self.epoch_length)
            place = self._first + done
            part = self._epoch(epoch)[place:min(place + count, self._end)]
            places.append(epoch * self.num_examples + np.arange(place, place + len(part)))
            numbers.append(part)
            start, count = start + len(part), count - len(part)
        return Stretch(np.concatenate(places), np.concatenate(numbers))

    def _shuffled_epoch(self, epoch: int) -> np.ndarray:
        random = generator(self._seed, epoch)
        firsts = np.cumsum(self._counts) - self._counts
        files = random.permutation(len(self._counts))
        order = np.empty(self.num_examples, np.int64)
        done = 0
        for group in np.split(files, range(_FILES_AT_ONCE, len(files), _FILES_AT_ONCE)):
            # Side by side: a record comes when its share of its shard is done.
            shares = np.concatenate([(np.arange(self._counts[file]) + 0.5) / max(1, self._counts[file])
                                     for file in group])
            numbers = np.concatenate([firsts[file] + np.arange(self._counts[file]) for file in group])
            order[done:done + len(numbers)] = numbers[np.argsort(shares, kind="stable")]
            done += len(numbers)
        for start in range(0, self.num_examples, self._window):
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
