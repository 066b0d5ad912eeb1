"""Which records make up batches of P classes with K images each: arithmetic on labels, no file is opened."""

from __future__ import annotations

import functools
import math

import numpy as np

from data_prep.records.record_order import Stretch, check_worker, generator


class ClassBatches:
    """Batches of P different classes with K different images of each, endless.

    Every class comes once in each round, and every image of a class once in each round of its own, both
    shuffled anew; where a round ends inside a batch, the next one begins with what the batch does not hold
    yet. A class with fewer than K images gives all of them, over again until K are full. Of W workers each
    takes its P classes of a batch of P * W.

    Args:
        labels: int [num_records]; records of a negative label are left out.
        num_classes: P.
        images_per_class: K.
        seed: same seed, same batches.
        worker_index: of this worker, from 0.
        num_workers: that share each batch.

    Raises:
        ValueError: if fewer than P * W classes have an image, or the worker is none of `num_workers`.
    """

    def __init__(self, labels: np.ndarray, num_classes: int, images_per_class: int, seed: int,
                 worker_index: int = 0, num_workers: int = 1):
        check_worker(worker_index, num_workers)
        records = np.argsort(labels, kind="stable")
        records = records[np.searchsorted(labels[records], 0):]
        found, firsts = np.unique(labels[records], return_index=True)
        if len(found) < num_classes * num_workers:
            raise ValueError("`batch_size` / `images_per_class`, the classes of a batch, must be at most "
                             f"those of the shards. Received: {num_classes * num_workers} against "
                             f"{len(found)} with images.")
        self._members = np.split(records, firsts[1:])
        self._num_classes, self._images_per_class, self._seed = num_classes, images_per_class, seed
        self._worker_index, self._num_workers = worker_index, num_workers

    def take(self, step: int) -> Stretch:
        """The records of this worker's part of batch `step`: the K of one class, then those of the next."""
        count = len(self._members)
        drawn = balanced_draw(count, self._num_classes * self._num_workers, step, (self._seed, 0))
        part = step * self._num_workers + self._worker_index
        first = part * self._num_classes
        drawn = drawn[self._worker_index * self._num_classes:][:self._num_classes]
        numbers = []
        for place, kind in zip(range(first, first + self._num_classes), drawn):
            members = self._members[kind]
            chosen = balanced_draw(len(members), min(self._images_per_class, len(members)), place // count,
                                   (self._seed, 1, int(kind)))
            numbers.append(members[np.resize(chosen, self._images_per_class)])
        size = self._num_classes * self._images_per_class
        return Stretch(np.arange(part * size, (part + 1) * size), np.concatenate(numbers))


def balanced_draw(count: int, size: int, turn: int, key: tuple[int, ...]) -> np.ndarray:
    """Draw number `turn` of `size` different ones out of `count`; all are drawn equally often.

    The draws go through round after round, each a permutation of all; `balanced_draw(3, 2, ...)` may give
    [2, 0], [1, 2], [0, 1]. Any draw is found without those before it.

    Returns:
        int64 [size], each from 0 to `count` - 1.
    """
    draws_per_cycle = count // math.gcd(count, size)  # after so many, a round and a draw end together
    cycle, draw = divmod(turn, draws_per_cycle)
    return _cycle(count, size, (*key, cycle))[draw * size:(draw + 1) * size]


@functools.lru_cache(maxsize=1024)
def _cycle(count: int, size: int, key: tuple[int, ...]) -> np.ndarray:
    random = generator(*key)
    rounds: list[np.ndarray] = []
    for index in range(size // math.gcd(count, size)):
        numbers = random.permutation(count)
        begun = index * count % size  # of the draw that this round has to complete
        if begun:
            fresh = numbers[~np.isin(numbers, rounds[-1][-begun:])][:size - begun]
            numbers = np.concatenate([fresh, numbers[~np.isin(numbers, fresh)]])
        rounds.append(numbers)
    return np.concatenate(rounds)
