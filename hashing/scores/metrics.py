"""Scores of rankings by Hamming distance, exact under ties: the expected value over all orders of the images
that lie at one distance, so that no sort and no order of the files decides a result (numpy).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class DistanceCounts(NamedTuple):
    """How many index images lie at each distance of each query, and how many of them are relevant."""

    images: np.ndarray  # int64 [Q, D]
    relevant: np.ndarray  # int64 [Q, D]


def count_distances(distances: np.ndarray, relevant: np.ndarray, code_size: int) -> DistanceCounts:
    """Counts per distance 0..K, all that the scores below need.

    Args:
        distances: int, [Q, N], in [0, K].
        relevant: bool, [Q, N]; which index images show what the query shows.
        code_size: K.
    """
    width = code_size + 1
    cells = distances.astype(np.int64) + width * np.arange(len(distances))[:, None]
    shape = (len(distances), width)
    return DistanceCounts(np.bincount(cells.ravel(), minlength=shape[0] * width).reshape(shape),
                          np.bincount(cells[relevant], minlength=shape[0] * width).reshape(shape))


def count_ranks(similarities: np.ndarray, relevant: np.ndarray) -> DistanceCounts:
    """The same for a ranking by real values without ties: every image is a group of its own.

    Args:
        similarities: float, [Q, N]; equal ones stay in the order of the index.
        relevant: bool, [Q, N].
    """
    order = np.argsort(-similarities, axis=1, kind="stable")
    return DistanceCounts(np.ones(similarities.shape, np.int64),
                          np.take_along_axis(relevant, order, 1).astype(np.int64))


def average_precisions(counts: DistanceCounts, k: int | None = None) -> np.ndarray:
    """Expected average precision of every query over random orders of ties.

    A group of n images with r relevant ones, after N images of which R are relevant, adds
    sum over j = 1..m of (r / n) (R + 1 + (j - 1)(r - 1) / (n - 1)) / (N + j), with m = n, or what the first k
    results hold of it. The sum is taken in closed form by harmonic numbers H: with h = H(N + m) - H(N) it is
    (r / n) ((R + 1) h + (r - 1) / (n - 1) (m - (N + 1) h)).
    Source: McSherry and Najork, ECIR 2008, https://doi.org/10.1007/978-3-540-78646-7_38.

    Args:
        counts: from `count_distances` or `count_ranks`.
        k: results looked at; None: all. The divisor is the number of relevant images, at most k.

    Returns:
        float64, [Q], in [0, 1]; NaN for queries without a relevant image.

    Raises:
        ValueError: if `k` is below 1.
    """
    if k is not None and k < 1:
        raise ValueError(f"`k` must be at least 1. Received: k={k}.")
    n, r = (values.astype(np.float64) for values in counts)
    before = np.cumsum(counts.images, axis=1) - counts.images
    relevant_before = np.cumsum(r, axis=1) - r
    depth = int(counts.images.sum(axis=1).max(initial=0))
    k = depth if k is None else k
    looked_at = np.clip(k - before, 0, counts.images)
    harmonic = np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, depth + 1))])
    h = harmonic[before + looked_at] - harmonic[before]
    slope = np.divide(r - 1, n - 1, out=np.zeros_like(r), where=n > 1)
    share = np.divide(r, n, out=np.zeros_like(r), where=n > 0)
    gains = share * ((relevant_before + 1) * h + slope * (looked_at - (before + 1) * h))
    num_relevant = r.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(num_relevant > 0, gains.sum(axis=1) / np.minimum(num_relevant, k), np.nan)


def precisions_within(counts: DistanceCounts, radius: int) -> np.ndarray:
    """Precision among the images at distance `radius` or less; 0 for a query that finds none there.

    Source: the usual P@H<=2 of the hashing literature, where empty balls count as failures.

    Args:
        counts: from `count_distances`.
        radius: bits.

    Returns:
        float64, [Q], in [0, 1].
    """
    found = counts.images[:, :radius + 1].sum(axis=1)
    return counts.relevant[:, :radius + 1].sum(axis=1) / np.maximum(found, 1)


def precision_recall(counts: DistanceCounts) -> tuple[np.ndarray, np.ndarray]:
    """Mean precision and recall over queries when all images up to each distance are taken.

    Source: Manning, Raghavan and Schuetze, Introduction to Information Retrieval, 2008, section 8.3.

    Queries without a relevant image are left out; precision is the mean over the queries that find anything
    at that distance, NaN where none does. Both are NaN where no query has a relevant image.

    Args:
        counts: from `count_distances`.

    Returns:
        precision, recall: float64, [D], in [0, 1].
    """
    images, relevant = (np.cumsum(values[counts.relevant.sum(axis=1) > 0], axis=1) for values in counts)
    with np.errstate(invalid="ignore"):
        precision = np.where(images > 0, relevant / np.maximum(images, 1), 0).sum(axis=0) / np.where(
            (images > 0).any(axis=0), (images > 0).sum(axis=0), np.nan)
    recall = np.full(precision.shape, np.nan)
    if len(relevant):
        recall = (relevant / relevant[:, -1:]).mean(axis=0)
    return precision, recall
