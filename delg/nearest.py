"""Nearest descriptors by brute force, in memory that does not grow with the index (numpy)."""

from __future__ import annotations

import numpy as np

_BLOCK_ROWS = 16_384  # index rows per matrix product
_MAX_PRODUCTS = 2**24  # similarities held at once, 64 MiB of float32
_LOW_HALF = np.uint64(0xFFFFFFFF)
_SIGN = np.uint32(0x80000000)


def best_columns(scores: np.ndarray, num_best: int) -> np.ndarray:
    """Columns of each row's largest scores, best first; the lower column first among equals.

    Args:
        scores: float32, [M, N].
        num_best: K, at most N.

    Returns:
        int64, [M, K].
    """
    keys = np.sort(_smallest(_sort_keys(scores, np.arange(scores.shape[1])), num_best), axis=1)
    return (keys & _LOW_HALF).astype(np.int64)


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
            found = _sort_keys(some @ block.T, np.arange(first, first + len(block)))
            best = _smallest(np.concatenate([best, _smallest(found, kept)], axis=1), kept)
        keys[start:start + step] = np.sort(best, axis=1)
    return (keys & _LOW_HALF).astype(np.int32), _similarities(keys)


def _sort_keys(similarities: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """uint64 keys that ascend as similarity descends, then as the row ascends.

    The bits of a float32 order like an integer once negative numbers are turned over; the row in the lower
    half breaks ties. Partial sorts of integers need no stable variant and give the row back.
    """
    bits = (np.asarray(similarities, np.float32) + np.float32(0)).view(np.uint32)  # -0.0 equals 0.0
    ascending = np.where(bits & _SIGN, ~bits, bits | _SIGN)
    return (~ascending).astype(np.uint64) << np.uint64(32) | rows.astype(np.uint64)


def _similarities(keys: np.ndarray) -> np.ndarray:
    ascending = ~(keys >> np.uint64(32)).astype(np.uint32)
    return np.where(ascending & _SIGN, ascending ^ _SIGN, ~ascending).view(np.float32)


def _smallest(keys: np.ndarray, count: int) -> np.ndarray:
    return keys if count >= keys.shape[1] else np.partition(keys, count - 1, axis=1)[:, :count]
