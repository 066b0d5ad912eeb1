"""Putative matches between the local descriptors of two images: one matrix product (numpy)."""

from __future__ import annotations

import dataclasses

import numpy as np

MATCHERS = ("mutual", "ratio", "threshold")


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

    - `mutual`: both are each other's nearest neighbour, so every feature is in at most one match.
    - `ratio`: mutual, and the nearest is nearer than `ratio` times the second nearest.
    - `threshold`: nearest neighbour of each query descriptor, if closer than `max_distance`; several
      may share one index feature (DELG's reference implementation).

    The first two are sorted by first over second distance, which tells right from wrong better than
    the distance itself; `threshold` is sorted by distance.
    Source: Lowe, "Distinctive image features from scale-invariant keypoints", IJCV 2004, 7.1 (ratio).

    Args:
        query: float32, [n, d], unit norm.
        index: float32, [m, d], unit norm.
        matcher: one of MATCHERS.
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
    rows = np.arange(len(cosines))
    nearest = cosines.argmax(axis=1)
    best = cosines[rows, nearest]
    distances = _distances(best)
    if matcher == "threshold":
        kept = np.flatnonzero(distances < max_distance)
        order = kept[np.argsort(distances[kept], kind="stable")]
        return Matches(order, nearest[order], distances[order])
    kept = np.flatnonzero(best >= cosines.max(axis=0)[nearest])
    kept = kept[np.unique(nearest[kept], return_index=True)[1]]  # equal descriptors: the first row matches
    cosines[rows, nearest] = -1  # out of the way of the second best
    second = cosines.max(axis=1)[kept]
    cosines[rows, nearest] = best
    quality = distances[kept] / np.maximum(_distances(second), 1e-6)
    if matcher == "ratio":
        kept, quality = kept[quality < ratio], quality[quality < ratio]
    order = kept[np.argsort(quality, kind="stable")]
    return Matches(order, nearest[order], distances[order])


def one_to_one(matches: Matches) -> Matches:
    """The matches without those whose index feature an earlier, better one has taken."""
    first = np.sort(np.unique(matches.index_rows, return_index=True)[1])
    return Matches(matches.query_rows[first], matches.index_rows[first], matches.distances[first])


def guided_matches(cosines: np.ndarray, query_points: np.ndarray, mapped_points: np.ndarray, threshold: float,
                   num_neighbors: int = 3) -> Matches:
    """Matches that a known transform vouches for: near in the image and among the nearest in looks.

    A repeated window often is not its partner's very nearest neighbour. With the transform known, the
    first `num_neighbors` of each side may match too if they lie where the transform puts them; each
    feature takes its best partner, and only if that is mutual.

    Args:
        cosines: float32, [n, m], between the descriptors; they are left as they were.
        query_points: float, [n, 2], pixels of the query.
        mapped_points: float, [m, 2], index keypoints mapped to the query; inf where they do not map.
        threshold: pixels.
        num_neighbors: ranks of looks allowed, both ways; at least 1.

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
