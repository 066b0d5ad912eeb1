"""Nearest descriptors by brute force, in memory that does not grow with the index (numpy)."""

from __future__ import annotations

import numpy as np

from delg.sort_keys import from_sort_keys, sort_keys

_BLOCK_ROWS = 16_384  # index rows per matrix product
_MAX_PRODUCTS = 2**24  # similarities held at once, 64 MiB of float32


def best_columns(scores: np.ndarray, num_best: int) -> np.ndarray:
    """Columns of each row's largest scores, best first; the lower column first among equals.

    Args:
        scores: float32, [M, N].
        num_best: K, at most N.

    Returns:
        int64, [M, K].
    """
    keys = np.sort(_smallest(sort_keys(scores, np.arange(scores.shape[1])), num_best), axis=1)
    return from_sort_keys(keys)[0].astype(np.int64)


def nearest(queries: np.ndarray, descriptors: np.ndarray,
            num_neighbors: int) -> tuple[np.ndarray, np.ndarray]:
    """The most similar descriptors of every query, exactly.

    Args:
        queries: float32, [Q, D].
        descriptors: float32, [N, D]; may be memory-mapped, and is read once for a thousand queries.
        num_neighbors: K; more than N: all N.

    Returns:
        rows: int32, [Q, K], best first; the lower row first among equals.
        similarities: float32, [Q, K]; cosines where all vectors have unit norm.
    """
    kept = min(num_neighbors, len(descriptors))
    keys = np.empty((len(queries), kept), np.uint64)
    step = _MAX_PRODUCTS // _BLOCK_ROWS
    for start in range(0, len(queries), step):
        some = np.asarray(queries[start:start + step], np.float32)
        best = np.empty((len(some), 0), np.uint64)
        for first in range(0, len(descriptors), _BLOCK_ROWS):
            block = np.asarray(descriptors[first:first + _BLOCK_ROWS], np.float32)
            found = sort_keys(some @ block.T, np.arange(first, first + len(block)))
            best = _smallest(np.concatenate([best, _smallest(found, kept)], axis=1), kept)
        keys[start:start + step] = np.sort(best, axis=1)
    return from_sort_keys(keys)


def _smallest(keys: np.ndarray, count: int) -> np.ndarray:
    return keys if count >= keys.shape[1] else np.partition(keys, count - 1, axis=1)[:, :count]
