"""The search before verification: by global descriptors, by local features, or by the sum of both."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from delg.index.kind import Index
from delg.scores.ranking import summed
from delg.search import neighbors
from delg.search.query_views import Queries
from delg.search.rerankers import stack
from delg.settings.kinds import LOCAL_FEATURES
from delg.settings.search import SearchConfig
from delg.vectors.unit import finite_unit_vectors

_BATCH_QUERIES = 64  # compared with all images at once


@dataclasses.dataclass(frozen=True)
class Found:
    """Results of Q queries, best first.

    Attributes:
        ranks: int32, [Q, K]; rows of the index.
        similarities: float32, [Q, K].
        local_similarities: float32, [Q, K], of aggregated local features; None where they are not summed.
        overlaps: float32, [Q, K], of neighbours; None where these do not count.
        learnt_similarities: float32, [Q, K], of a re-ranker, 0 beyond the first results; None: there is none.
    """

    ranks: np.ndarray
    similarities: np.ndarray
    local_similarities: np.ndarray | None = None
    overlaps: np.ndarray | None = None
    learnt_similarities: np.ndarray | None = None

    def scores(self, config: SearchConfig) -> np.ndarray:
        """float32 [Q, K]: what results are ordered by."""
        return summed(config, self.similarities, self.local_similarities, self.overlaps,
                      self.learnt_similarities)

    def at(self, columns: Sequence[int]) -> Found:
        """The results at some places of every query."""
        arrays = (self.ranks, self.similarities, self.local_similarities, self.overlaps)
        return Found(*(None if array is None else array[:, columns] for array in arrays))

    def reorder(self, query: int, order: np.ndarray) -> None:
        """Puts the results of a query into another order."""
        for array in (self.ranks, self.similarities, self.local_similarities, self.overlaps,
                      self.learnt_similarities):
            if array is not None:
                array[query] = array[query, order]


def first_search(queries: Queries, index: Index, local_index: Index | None,
                 config: SearchConfig) -> Found:
    """The results of every query before any is verified.

    Args:
        queries: features of them, maybe with those of views of them.
        index: of global descriptors, or of local features.
        local_index: of the same images by local features, its similarities to be added; None: there is none.
        config: says how many results are kept, what re-ranks them and what local features weigh.

    Raises:
        ValueError: if global descriptors are to be moved where the index has none.
    """
    if index.ranked_by == LOCAL_FEATURES:
        if config.rerankers or config.expand_query:
            raise ValueError("`rerankers` and `expand_query` must be off where `index_dir` is an index of "
                             "local features: they move global descriptors. Received: "
                             f"rerankers={config.rerankers!r}, expand_query={config.expand_query}.")
        return Found(*index.search((queries.local_features(row).descriptors for row in range(len(queries))),
                                   config.num_neighbors))
    if local_index is None:
        found = Found(*_by_global(queries.global_descriptors, index, config))
    else:
        parts = list(_by_both(queries, index, local_index, config))
        found = Found(*(np.concatenate(arrays) for arrays in zip(*parts)))
    return _with_overlaps(found, index, local_index, config) if config.counts("neighbors") else found


def _by_global(queries: np.ndarray, index: Index, config: SearchConfig) -> tuple[np.ndarray, np.ndarray]:
    if not config.rerankers:
        return index.search(queries, config.num_neighbors)
    return stack.rerank(queries, index.descriptors, config, index.search)


def _by_both(queries: Queries, index: Index, local_index: Index,
             config: SearchConfig) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Ranks, similarities and local similarities of some queries after the other: all images, or the
    candidates of an approximate index and as many by local features, in the order of the sum, then the first
    of them."""
    columns = _local_rows(index, local_index)
    every = dataclasses.replace(config, num_neighbors=0)
    for first in range(0, len(queries), _BATCH_QUERIES):
        rows = range(first, min(first + _BATCH_QUERIES, len(queries)))
        asked = queries.global_descriptors[rows.start:rows.stop]
        ranks, similarities = _by_global(asked, index, every)
        of_queries = [queries.local_features(row).descriptors for row in rows]
        local = local_index.similarities(of_queries)[:, columns]
        if ranks.shape[1] < len(index) and not config.rerankers:  # whose scores the others do not have
            ranks, similarities = _with_best_local(asked, index, ranks, similarities, local)
        local = np.take_along_axis(local, ranks, axis=1)
        order = np.argsort(-summed(config, similarities, local), axis=1, kind="stable")
        order = order[:, :config.num_neighbors or order.shape[1]]
        yield tuple(np.take_along_axis(array, order, axis=1) for array in (ranks, similarities, local))


def _with_best_local(queries: np.ndarray, index: Index, ranks: np.ndarray, similarities: np.ndarray,
                     local: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Candidates int32 [Q, K] by global descriptors, and as many others, the best of all [Q, N] by local
    features, with their cosines."""
    others = local.copy()
    np.put_along_axis(others, ranks, -1, axis=1)  # below every similarity
    wanted = min(ranks.shape[1], len(index) - ranks.shape[1])
    more = np.argpartition(-others, wanted - 1, axis=1)[:, :wanted].astype(ranks.dtype)
    queries = finite_unit_vectors(queries, "`queries`")
    cosines = np.array([index.descriptors[rows] @ query for rows, query in zip(more, queries)])
    return np.concatenate([ranks, more], axis=1), np.concatenate([similarities, cosines], axis=1)


def _local_rows(index: Index, local_index: Index) -> np.ndarray:
    """int64 [N]: the row in the index of local features of each image of the other."""
    row_of = {image_id: row for row, image_id in enumerate(local_index.ids)}
    return np.array([row_of[image_id] for image_id in index.ids])


def _with_overlaps(found: Found, index: Index, local_index: Index | None, config: SearchConfig) -> Found:
    """The results with the neighbours that they share with their query, in the order by these too."""
    local_rows = None if local_index is None else _local_rows(index, local_index)

    def among(rows: np.ndarray) -> np.ndarray:
        descriptors = index.descriptors[rows]
        local = None if local_index is None else local_index.similarities_among(local_rows[rows])
        return summed(config, descriptors @ descriptors.T, local)

    scores, overlaps = found.scores(config), []
    for first in range(0, len(scores), _BATCH_QUERIES):
        some = slice(first, first + _BATCH_QUERIES)
        overlaps.append(neighbors.first_overlaps(scores[some], found.ranks[some], among))
    found = dataclasses.replace(found, overlaps=np.concatenate(overlaps))
    for query, of_query in enumerate(found.scores(config)):
        found.reorder(query, np.argsort(-of_query, kind="stable"))
    return found
