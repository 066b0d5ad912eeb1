"""Putative matches between the local descriptors of two images: one matrix product (numpy)."""

from __future__ import annotations

import dataclasses

import numpy as np

from delg.settings.kinds import MATCHERS


@dataclasses.dataclass(frozen=True)
class Matches:
    """k putative matches, most trustworthy first."""

    query_rows: np.ndarray  # int64 [k], rows of the query's features
    index_rows: np.ndarray  # int64 [k], rows of the index image's features
    distances: np.ndarray  # float32 [k], between unit descriptors, in [0, 2]

    def __len__(self) -> int:
        return len(self.query_rows)


def _distances(cosines: np.ndarray) -> np.ndarray:
    return np.sqrt(np.maximum(2 - 2 * cosines, 0))


def _check(query: np.ndarray, index: np.ndarray) -> None:
    if query.ndim != 2 or index.ndim != 2 or query.shape[1] != index.shape[1]:
        raise ValueError("`query` and `index` must be [n, d] and [m, d]. "
                         f"Received: {query.shape} and {index.shape}.")


def cosines_of(query: np.ndarray, index: np.ndarray) -> np.ndarray:
    """float32 [n, m]: cosines between two sets of unit descriptors, [n, d] and [m, d]."""
    _check(query, index)
    return np.asarray(query, np.float32) @ np.asarray(index, np.float32).T


def match_descriptors(query: np.ndarray, index: np.ndarray, matcher: str = "mutual", ratio: float = 0.9,
                      max_distance: float = 1.0) -> Matches:
    """Putative matches, sorted for a progressive sampler such as PROSAC.

    Args:
        query: float32, [n, d], unit norm.
        index: float32, [m, d], unit norm.
        matcher: a name of MATCHERS.
        ratio: in (0, 1], for matcher=ratio.
        max_distance: in (0, 2], for matcher=threshold.

    Returns:
        `Matches`; none when either image has no features.

    Raises:
        ValueError: if the descriptors differ in dimension, or the matcher is unknown.
    """
    return match_cosines(cosines_of(query, index), matcher, ratio, max_distance)


def match_cosines(cosines: np.ndarray, matcher: str = "mutual", ratio: float = 0.9,
                  max_distance: float = 1.0) -> Matches:
    """`match_descriptors` for cosines already at hand, float32 [n, m]; they are left as they were."""
    if matcher not in MATCHERS:
        raise ValueError(f"`matcher` must be one of {', '.join(MATCHERS)}. Received: matcher={matcher!r}.")
    if not cosines.size:
        return Matches(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
    return MATCHERS[matcher](cosines, ratio, max_distance)


def mutual_matches(cosines: np.ndarray, ratio: float, max_distance: float) -> Matches:
    """Features that are each other's nearest neighbour, so that every feature is in at most one match.

    Sorted by first over second distance, which tells right from wrong better than the distance itself.
    Source of the sorting: Lowe, "Distinctive image features from scale-invariant keypoints", IJCV 2004, 7.1.
    """
    return _mutual(cosines, np.inf)


def ratio_matches(cosines: np.ndarray, ratio: float, max_distance: float) -> Matches:
    """Mutual matches whose nearest neighbour is nearer than `ratio` times the second nearest; so sorted.

    Source: Lowe, "Distinctive image features from scale-invariant keypoints", IJCV 2004, 7.1; that they be
    mutual too is chosen.
    """
    return _mutual(cosines, ratio)


def near_matches(cosines: np.ndarray, ratio: float, max_distance: float) -> Matches:
    """The nearest neighbour of each query descriptor, if closer than `max_distance`; sorted by distance.

    Several may share one index feature.
    Source: the released code of DELG, Cao et al., ECCV 2020, https://arxiv.org/abs/2001.05027.
    """
    nearest, best = _nearest(cosines)
    distances = _distances(best)
    kept = np.flatnonzero(distances < max_distance)
    order = kept[np.argsort(distances[kept], kind="stable")]
    return Matches(order, nearest[order], distances[order])


def _nearest(cosines: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each query descriptor the row of its nearest neighbour, int64 [n], and their cosine [n]."""
    nearest = cosines.argmax(axis=1)
    return nearest, cosines[np.arange(len(cosines)), nearest]


def _mutual(cosines: np.ndarray, max_ratio: float) -> Matches:
    nearest, best = _nearest(cosines)
    distances = _distances(best)
    kept = np.flatnonzero(best >= cosines.max(axis=0)[nearest])
    kept = kept[np.unique(nearest[kept], return_index=True)[1]]  # equal descriptors: the first row matches
    rows = np.arange(len(cosines))
    cosines[rows, nearest] = -1  # out of the way of the second best
    second = cosines.max(axis=1)[kept]
    cosines[rows, nearest] = best
    quality = distances[kept] / np.maximum(_distances(second), 1e-6)
    kept, quality = kept[quality < max_ratio], quality[quality < max_ratio]
    order = kept[np.argsort(quality, kind="stable")]
    return Matches(order, nearest[order], distances[order])


def one_to_one(matches: Matches) -> Matches:
    """The matches without those whose index feature an earlier, better one has taken."""
    first = np.sort(np.unique(matches.index_rows, return_index=True)[1])
    return Matches(matches.query_rows[first], matches.index_rows[first], matches.distances[first])


def guided_matches(cosines: np.ndarray, query_points: np.ndarray, mapped_points: np.ndarray, threshold: float,
                   num_neighbors: int = 3) -> Matches:
    """Guided matching: features that lie where a known transform puts them, among each other's nearest.

    A repeated window often is not its partner's very nearest neighbour. With the transform known, each of the
    `num_neighbors` nearest descriptors of either side may match too if it lies where the transform puts it;
    each feature takes its best partner, and only if that is mutual.
    Source: Hartley and Zisserman, "Multiple View Geometry in Computer Vision", 2nd edition, algorithm 4.6;
    the nearest neighbours instead of a window of search are chosen.

    Args:
        cosines: float32, [n, m], between the descriptors; they are left as they were.
        query_points: float, [n, 2], pixels of the query.
        mapped_points: float, [m, 2], index keypoints mapped to the query; inf where they do not map.
        threshold: pixels.
        num_neighbors: nearest neighbours by descriptor that may match, both ways; at least 1.

    Returns:
        `Matches`, one to one, most alike first.
    """
    rows = np.arange(len(cosines))
    neighbors, likeness = [], []
    for _ in range(min(num_neighbors, cosines.shape[1])):
        neighbors.append(cosines.argmax(axis=1))
        likeness.append(cosines[rows, neighbors[-1]])
        cosines[rows, neighbors[-1]] = -np.inf  # out of the way of the next
    for nearest, values in zip(neighbors, likeness):
        cosines[rows, nearest] = values  # a copy of the matrix would cost more than all the rest
    near = [np.linalg.norm(mapped_points[nearest] - query_points, axis=1) <= threshold
            for nearest in neighbors]
    query_rows = np.concatenate([rows[chosen] for chosen in near])
    index_rows = np.concatenate([nearest[chosen] for nearest, chosen in zip(neighbors, near)])
    alike = cosines[query_rows, index_rows]
    among_first = alike >= cosines.max(axis=0)[index_rows]
    others = np.flatnonzero(~among_first)
    among_first[others] = (np.count_nonzero(cosines[:, index_rows[others]] > alike[others], axis=0)
                           < num_neighbors)
    query_rows, index_rows, alike = query_rows[among_first], index_rows[among_first], alike[among_first]
    order = np.lexsort((index_rows, query_rows, -alike))
    query_rows, index_rows, alike = query_rows[order], index_rows[order], alike[order]
    best_of_query, best_of_index = np.zeros(order.size, bool), np.zeros(order.size, bool)
    best_of_query[np.unique(query_rows, return_index=True)[1]] = True
    best_of_index[np.unique(index_rows, return_index=True)[1]] = True
    mutual = best_of_query & best_of_index
    return Matches(query_rows[mutual], index_rows[mutual], _distances(alike[mutual]))
