"""Integers that sort as similarities do, the lower row first among equals."""

from __future__ import annotations

import numpy as np

_LOW_HALF = np.uint64(0xFFFFFFFF)
_SIGN = np.uint32(0x80000000)


def sort_keys(similarities: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Keys that ascend as similarity descends, then as the row ascends.

    The bits of a float32 order like an integer once negative numbers are turned over; the row in the lower
    half breaks ties and comes out again after the sort. Sorting integers is several times faster than a
    stable argsort, and a partial sort of them needs no stable variant.

    Args:
        similarities: float32, [..., N].
        rows: int, [N] or [..., N]; not negative, below 2**32.

    Returns:
        uint64, [..., N].
    """
    bits = (np.asarray(similarities, np.float32) + np.float32(0)).view(np.uint32)  # -0.0 becomes 0.0
    ascending = np.where(bits & _SIGN, ~bits, bits | _SIGN)
    return (~ascending).astype(np.uint64) << np.uint64(32) | rows.astype(np.uint64)


def from_sort_keys(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """int32 rows and float32 similarities that made the keys."""
    ascending = ~(keys >> np.uint64(32)).astype(np.uint32)
    bits = np.where(ascending & _SIGN, ascending ^ _SIGN, ~ascending)
    return (keys & _LOW_HALF).astype(np.int32), bits.view(np.float32)


def best_columns(scores: np.ndarray, num_best: int) -> np.ndarray:
    """Columns of each row's largest scores, best first; the lower column first among equals.

    Args:
        scores: float32, [M, N].
        num_best: K, at most N.

    Returns:
        int32, [M, K].
    """
    keys = sort_keys(scores, np.arange(scores.shape[1]))
    if num_best < scores.shape[1]:
        keys = np.partition(keys, num_best - 1, axis=1)[:, :num_best]
    return from_sort_keys(np.sort(keys, axis=1))[0]
