"""Retrieval metrics: average precision, precision at k, bootstrap intervals, junk removed (numpy)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

PROTOCOLS = ("easy", "medium", "hard")
CUTOFFS = (1, 5, 10)
NEVER = np.iinfo(np.int64).max  # the place of an image that the ranking does not hold


def average_precision(positive_ranks: np.ndarray, num_positives: int) -> float:
    """Area under one query's precision-recall curve.

    Each positive met adds a trapezoid: the mean of the precision just before and just
    after it. Take junk images out of the ranking first.
    Source: Revisited Oxford/Paris protocol, https://arxiv.org/abs/1803.11285.

    Args:
        positive_ranks: int, [num_met], increasing; zero-based places of the positives.
        num_positives: positives the query has, met or not.

    Returns:
        Score in [0, 1].

    Raises:
        ValueError: if `num_positives` is below 1 or below `num_met`.
    """
    ranks = np.asarray(positive_ranks)
    if num_positives < max(1, ranks.size):
        raise ValueError("`num_positives` must be at least 1 and at least the number of ranks. "
                         f"Received: num_positives={num_positives}, {ranks.size} ranks.")
    before, after = precisions_around(ranks)
    return float(np.sum(before + after) / (2 * num_positives))


def precisions_around(positive_ranks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Precision just before and just after each positive met, float64, [num_met] each; before rank 0 it is 1.

    Source: the trapezoids of the Oxford Buildings evaluation code, kept by the revisited protocol.

    Args:
        positive_ranks: int, [num_met], increasing; zero-based places of the positives.
    """
    ranks = np.asarray(positive_ranks)
    met = np.arange(ranks.size)
    return np.where(ranks > 0, met / np.maximum(ranks, 1), 1.0), (met + 1) / (ranks + 1)


def precision_at(positive_ranks: np.ndarray, num_positives: int, k: int) -> float:
    """Share of positives among the first k' results, k' = min(k, place of the last positive + 1).

    The cap keeps a query with few positives from being punished for what comes after the last
    of them. A positive that was never met lies beyond any k, so it lifts the cap.
    Source: Revisited Oxford/Paris evaluation code (mP@k), https://arxiv.org/abs/1803.11285.

    Args:
        positive_ranks: int, [num_met], increasing; zero-based places of the positives.
        num_positives: positives the query has, met or not; at least 1.
        k: results looked at, at least 1.

    Returns:
        Precision in [0, 1].
    """
    ranks = np.asarray(positive_ranks)
    if num_positives < max(1, ranks.size):
        raise ValueError("`num_positives` must be at least 1 and at least the number of ranks. "
                         f"Received: num_positives={num_positives}, {ranks.size} ranks.")
    depth = min(k, int(ranks[-1]) + 1) if ranks.size == num_positives else k
    return float(np.count_nonzero(ranks < depth) / depth)


def places_of(ranking: np.ndarray, num_index: int) -> np.ndarray:
    """Zero-based place of every index image in one ranking; NEVER where it is missing.

    Args:
        ranking: int, [K]; rows of the index, best first, each at most once.
        num_index: images of the index, N.

    Returns:
        int64, [N].
    """
    places = np.full(num_index, NEVER, np.int64)
    places[ranking] = np.arange(len(ranking))
    return places


def ranks_without_junk(places: np.ndarray, positives: np.ndarray, junk: np.ndarray) -> np.ndarray:
    """Places of the positives that were met, as if the junk images were not in the ranking.

    Source: Revisited Oxford and Paris, CVPR 2018, section 3.2, https://arxiv.org/abs/1803.11285.

    Args:
        places: int64, [N]; from `places_of`.
        positives: int, [num_positives]; rows of the index.
        junk: int, [num_junk]; rows of the index.

    Returns:
        int64, [num_met], increasing.
    """
    met = np.sort(places[positives])
    met = met[met != NEVER]
    return met - np.searchsorted(np.sort(places[junk]), met)


def protocol_sets(protocol: str, easy: np.ndarray, hard: np.ndarray,
                  junk: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(positives, junk) of one query under a protocol, as unique index rows.

    Source: Revisited Oxford/Paris protocol, https://arxiv.org/abs/1803.11285, section 3.3.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"`protocol` must be one of {', '.join(PROTOCOLS)}. "
                         f"Received: protocol={protocol!r}.")
    easy, hard, junk = (np.asarray(rows, np.int64) for rows in (easy, hard, junk))
    positives, ignored = {"easy": ([easy], [junk, hard]), "medium": ([easy, hard], [junk]),
                          "hard": ([hard], [junk, easy])}[protocol]
    positives = np.unique(np.concatenate(positives))
    return positives, np.setdiff1d(np.concatenate(ignored), positives)


@dataclasses.dataclass(frozen=True)
class ProtocolScores:
    """Scores of every query under one protocol; NaN for queries without positives."""

    average_precision: np.ndarray  # float64 [Q], in [0, 1]
    precision: dict[int, np.ndarray]  # cutoff k -> float64 [Q], in [0, 1]


def score_queries(ranks: np.ndarray, num_index: int, easy: Sequence[np.ndarray], hard: Sequence[np.ndarray],
                  junk: Sequence[np.ndarray], cutoffs: Sequence[int] = CUTOFFS) -> dict[str, ProtocolScores]:
    """Average precision and precision at k of every query under the easy, medium and hard protocols.

    Every image is marked with its place once per query and the positives look theirs up, so no
    ranking is searched or sorted. A positive that a truncated ranking lacks was never found.
    Source: Revisited Oxford and Paris, CVPR 2018, section 3.2, https://arxiv.org/abs/1803.11285.

    Args:
        ranks: int, [Q, K]; rows of the index, best first.
        num_index: images of the index, N.
        easy: Q int arrays of index rows; so `hard` and `junk`.
        cutoffs: the k of precision at k.

    Returns:
        Protocol name to `ProtocolScores`.

    Raises:
        ValueError: if the numbers of queries differ, or a row lies outside the index.
    """
    ranks = np.asarray(ranks)
    if not len(ranks) == len(easy) == len(hard) == len(junk):
        raise ValueError("`ranks`, `easy`, `hard` and `junk` must have one row per query. "
                         f"Received: {len(ranks)}, {len(easy)}, {len(hard)} and {len(junk)}.")
    if ranks.size and not (ranks.min() >= 0 and ranks.max() < num_index):
        raise ValueError(f"`ranks` must lie in [0, num_index={num_index}). "
                         f"Received: rows from {ranks.min()} to {ranks.max()}.")
    scores = {protocol: np.full((len(ranks), 1 + len(cutoffs)), np.nan) for protocol in PROTOCOLS}
    for query, protocol, met, num_positives in judged(ranks, num_index, easy, hard, junk):
        scores[protocol][query] = [average_precision(met, num_positives),
                                   *(precision_at(met, num_positives, k) for k in cutoffs)]
    return {protocol: ProtocolScores(values[:, 0], {k: values[:, 1 + i] for i, k in enumerate(cutoffs)})
            for protocol, values in scores.items()}


def judged(ranks: np.ndarray, num_index: int, easy: Sequence[np.ndarray], hard: Sequence[np.ndarray],
           junk: Sequence[np.ndarray]) -> Iterator[tuple[int, str, np.ndarray, int]]:
    """Query, protocol, places of the positives met (junk taken out) and the number of positives, one by one.

    Queries without positives under a protocol are left out. Arguments as of `score_queries`.
    """
    for query, row in enumerate(ranks):
        places = places_of(row, num_index)
        for protocol in PROTOCOLS:
            positives, ignored = protocol_sets(protocol, easy[query], hard[query], junk[query])
            if positives.size:
                yield query, protocol, ranks_without_junk(places, positives, ignored), positives.size


def mean_over_queries(values: np.ndarray) -> float:
    """Mean of the scores that are not NaN; NaN when there is none."""
    values = np.asarray(values, np.float64)
    values = values[~np.isnan(values)]
    return float(values.mean()) if values.size else float("nan")


def bootstrap_interval(values: np.ndarray, confidence: float = 0.95, num_resamples: int = 1000,
                       seed: int = 0) -> tuple[float, float]:
    """Percentile interval of the mean score, queries drawn again with replacement.

    With the differences of two rankings' scores on the same queries it tells whether one is better.
    Source: Efron, "Bootstrap methods: another look at the jackknife", 1979 (percentile method).

    Args:
        values: float, [Q]; one score per query, NaN for queries left out.
        confidence: share of the resampled means inside the interval.
        num_resamples: means drawn.
        seed: of the draw; equal seeds give equal intervals.

    Returns:
        (low, high) in the unit of `values`; NaNs when no query counts.
    """
    values = np.asarray(values, np.float64)
    values = values[~np.isnan(values)]
    if values.size == 0:
        return float("nan"), float("nan")
    draws = np.random.default_rng(seed).integers(values.size, size=(num_resamples, values.size))
    tail = 50 * (1 - confidence)
    low, high = np.percentile(values[draws].mean(axis=1), [tail, 100 - tail])
    return float(low), float(high)
