"""Neighbours that a query shares with a result: what is most like both speaks for the two showing one thing.

Only the first results of a query are compared with one another, by the sum that they are ordered by.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

NUM_RESULTS = 50  # first results of a query that are compared with one another; chosen
_NUM_NEIGHBORS = 4  # chosen, as the next
_STEEPNESS = 20.0  # of the weight of a neighbour over its distance to the nearest


def overlaps(scores: np.ndarray, among: np.ndarray) -> np.ndarray:
    """How much the neighbours of a query and those of each result are the same: float32 [n], in [0, 1].

    The four nearest of the n results are the neighbours of each, a result its own nearest. They weigh
    exp(20 (similarity - similarity of the nearest)); the overlap is the sum of the smaller weights over the
    sum of the larger.
    Source: k-reciprocal encoding, Zhong et al., CVPR 2017, https://arxiv.org/abs/1701.08398, equations 7 and
    10, among the first results and without its expansion of sets.

    Args:
        scores: float, [n], what results are ordered by.
        among: float, [n, n], the same of every result as a query; its diagonal is not read.
    """
    num_results = len(scores)
    if num_results < 2:
        return np.zeros(num_results, np.float32)
    others = np.array(among, np.float64)
    np.fill_diagonal(others, -np.inf)
    of_results = _weights(others, min(_NUM_NEIGHBORS, num_results - 1))
    np.fill_diagonal(of_results, 1)
    of_query = _weights(np.asarray(scores, np.float64)[None], min(_NUM_NEIGHBORS, num_results))
    shared, either = (pick(of_query, of_results).sum(axis=1) for pick in (np.minimum, np.maximum))
    return (shared / either).astype(np.float32)


def first_overlaps(scores: np.ndarray, rows: np.ndarray,
                   similarities_among: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The overlaps of the results of some queries, 0 for all but the first: float32 [Q, K].

    Args:
        scores: float32, [Q, K], descending.
        rows: int, [Q, K], of the index.
        similarities_among: from rows of the index, int [n], to what `scores` would be among them, [n, n].
    """
    found = np.zeros(scores.shape, np.float32)
    wanted, place = np.unique(rows[:, :NUM_RESULTS], return_inverse=True)
    place = place.reshape(len(rows), -1)
    among = similarities_among(wanted)
    for query, of_query in enumerate(place):
        found[query, :NUM_RESULTS] = overlaps(scores[query, :NUM_RESULTS], among[np.ix_(of_query, of_query)])
    return found


def _weights(similarities: np.ndarray, num_neighbors: int) -> np.ndarray:
    """Of the nearest of n images, 0 of others: float64, as similarities [., n]."""
    nearest = np.argsort(-similarities, axis=1, kind="stable")[:, :num_neighbors]
    closeness = np.take_along_axis(similarities, nearest, axis=1)
    weights = np.zeros_like(similarities)
    np.put_along_axis(weights, nearest, np.exp(_STEEPNESS * (closeness - closeness[:, :1])), axis=1)
    return weights
