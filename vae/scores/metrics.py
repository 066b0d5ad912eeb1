"""Metrics of retrieval across domains, and of how far the domain still shows in descriptors (numpy).

Descriptors are float32 [N, D] of unit norm; places are int [N]; similarity is the cosine, distance the
Euclidean distance.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import optimize, spatial

from delg.scores import metrics

CUTOFFS = (1, 5, 10)
MARGIN = 0.3  # of the triplet loss, times the mean distance of different places; chosen


class QueryScores(NamedTuple):
    """Scores of each query; NaN for queries whose place the index lacks."""

    recall: dict[int, np.ndarray]  # cutoff k -> float64 [Q]; 1 where one of the first k is of the place
    average_precision: np.ndarray  # float64 [Q], in [0, 1]
    triplet_accuracy: np.ndarray  # float64 [Q]; share of (positive, negative) with the positive nearer
    triplet_loss: np.ndarray  # float64 [Q]; mean over (positive, negative), see `search`
    ranks: np.ndarray  # int64 [Q, N]; rows of the index, best first


def search(queries: np.ndarray, query_places: np.ndarray, index: np.ndarray,
           index_places: np.ndarray) -> QueryScores:
    """Ranks the whole index for every query and scores the ranking; ties go to the lower row.

    The triplet loss is max(0, d(q, p) - d(q, n) + MARGIN), a hinge per triplet. Distances are divided by the
    mean distance between different places, so that neither scale nor dimensions decide it.
    Source: recall at k as in NetVLAD, https://arxiv.org/abs/1511.07247, section 5; the hinge of FaceNet,
    https://arxiv.org/abs/1503.03832, section 3.1, which takes squared distances.

    Args:
        queries: float32 [Q, D], unit norm.
        query_places: int [Q].
        index: float32 [N, D], unit norm.
        index_places: int [N].

    Raises:
        ValueError: if there are no queries or no index.
    """
    if not len(queries) or not len(index):
        raise ValueError("Search needs queries and an index. "
                         f"Received: {len(queries)} queries, {len(index)} index images.")
    similarities = np.asarray(queries, np.float32) @ np.asarray(index, np.float32).T
    ranks = np.argsort(-similarities, axis=1, kind="stable")
    same = np.asarray(query_places)[:, None] == np.asarray(index_places)[None]
    distances = np.sqrt(np.maximum(0.0, 2.0 - 2.0 * similarities.astype(np.float64)))
    unit = distances[~same].mean() if (~same).any() else 1.0
    distances /= max(unit, 1e-12)
    rows = np.full((len(queries), len(CUTOFFS) + 3), np.nan)
    for query, positive in enumerate(same):
        if not positive.any():
            continue
        places = np.flatnonzero(positive[ranks[query]])
        rows[query, :len(CUTOFFS)] = [places[0] < k for k in CUTOFFS]
        rows[query, -3] = metrics.average_precision(places, places.size)
        if not positive.all():
            gaps = distances[query, positive][:, None] - distances[query, ~positive][None]
            rows[query, -2] = (gaps < 0).mean() + 0.5 * (gaps == 0).mean()
            rows[query, -1] = np.maximum(0.0, gaps + MARGIN).mean()
    return QueryScores({k: rows[:, place] for place, k in enumerate(CUTOFFS)}, rows[:, -3], rows[:, -2],
                       rows[:, -1], ranks)


def distance_ratio(first: np.ndarray, first_places: np.ndarray, second: np.ndarray,
                   second_places: np.ndarray) -> float:
    """Mean distance of the same place over that of different places, across domains; below 1 is better.

    NaN where no place is in both domains, or only one place is there. Chosen; no source.
    """
    distances = spatial.distance.cdist(first, second)
    same = np.asarray(first_places)[:, None] == np.asarray(second_places)[None]
    if not same.any() or same.all():
        return float("nan")
    return float(distances[same].mean() / distances[~same].mean())


def silhouette(descriptors: np.ndarray, places: np.ndarray) -> float:
    """Mean silhouette of the images by place, in [-1, 1]; images alone in their place count 0.

    Source: Rousseeuw, "Silhouettes: a graphical aid to the interpretation and validation of cluster
    analysis", 1987. NaN for fewer than two places.
    """
    names, place = np.unique(places, return_inverse=True)
    if len(names) < 2:
        return float("nan")
    distances = spatial.distance.cdist(descriptors, descriptors)
    sizes = np.bincount(place)
    sums = distances @ np.eye(len(names))[place]  # [N, places]
    own = np.arange(len(place)), place
    inside = sums[own] / np.maximum(sizes[place] - 1, 1)
    means = sums / sizes
    means[own] = np.inf
    outside = means.min(axis=1)
    values = (outside - inside) / np.maximum(np.maximum(outside, inside), 1e-12)
    return float(np.where(sizes[place] > 1, values, 0.0).mean())


def domain_probe(train: np.ndarray, train_is_night: np.ndarray, test: np.ndarray,
                 test_is_night: np.ndarray) -> float:
    """How well a linear classifier tells night from day: mean accuracy of the two domains, 0.5 is chance.

    Logistic regression on features of zero mean and unit deviation, with a squared penalty of strength 1;
    domains weigh the same whatever their sizes.
    Source: linear classifier probes, Alain and Bengio, https://arxiv.org/abs/1610.01644; strength chosen.

    Args:
        train, test: float32 [n, D]; of different places.
        train_is_night, test_is_night: bool [n].

    Raises:
        ValueError: if a domain is missing on either side.
    """
    train_is_night, test_is_night = np.asarray(train_is_night, bool), np.asarray(test_is_night, bool)
    for name, night in (("train", train_is_night), ("test", test_is_night)):
        if night.all() or not night.any():
            raise ValueError(f"The domain probe needs images of both domains. Received: {len(night)} images "
                             f"to {name}, {int(night.sum())} by night.")
    mean, deviation = train.mean(axis=0), train.std(axis=0) + 1e-8
    features, signs = (train - mean) / deviation, np.where(train_is_night, 1.0, -1.0)
    weights = np.where(train_is_night, 0.5 / train_is_night.sum(), 0.5 / (~train_is_night).sum()) * len(train)

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        margins = signs * (features @ parameters[:-1] + parameters[-1])
        slopes = -signs * weights / (1.0 + np.exp(np.minimum(margins, 50.0)))
        value = (weights * np.logaddexp(0.0, -margins)).sum() + 0.5 * (parameters[:-1] ** 2).sum()
        return value, np.append(slopes @ features + parameters[:-1], slopes.sum())

    found = optimize.minimize(loss, np.zeros(train.shape[1] + 1), jac=True, method="L-BFGS-B",
                              options={"maxiter": 500}).x
    says_night = (test - mean) / deviation @ found[:-1] + found[-1] > 0
    return float(np.mean([says_night[test_is_night].mean(), (~says_night[~test_is_night]).mean()]))
