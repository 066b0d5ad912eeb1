"""What a re-ranker is, and what one hands to the next.

Settings and flags of a search come from the modules of re-rankers, so these import neither FAISS nor SciPy
at their top, and no settings of a search.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

# From queries [Q, D] and a number of results K, 0 for all, to index rows [Q, K] and similarities [Q, K].
Search = Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]
_GAP = np.float32(1e-6)  # between the last re-ranked result and the first of the others; chosen


@dataclasses.dataclass(frozen=True)
class RankingState:
    """The ranking that one re-ranker leaves, and the descriptors that it is of."""

    queries: np.ndarray  # float32 [Q, D], unit norm
    descriptors: np.ndarray  # float32 [N, D], unit norm; may be memory-mapped
    ranks: np.ndarray  # int32 [Q, K], best first
    similarities: np.ndarray  # float32 [Q, K], descending
    search: Search  # of `descriptors`

    def with_queries(self, queries: np.ndarray) -> RankingState:
        """The state once other queries, float32 [Q, D], are searched for, as deep as before."""
        ranks, similarities = self.search(queries, self.ranks.shape[1])
        return dataclasses.replace(self, queries=queries, ranks=ranks, similarities=similarities)

    def with_descriptors(self, descriptors: np.ndarray) -> RankingState:
        """The state once other index descriptors, float32 [N, D], are searched, as deep as before."""
        search = exact_search(descriptors)
        return RankingState(self.queries, descriptors, *search(self.queries, self.ranks.shape[1]), search)

    def with_scores(self, scores: np.ndarray, is_scored: np.ndarray | None = None) -> RankingState:
        """The first M results by their scores, then those without one and the rest, as they stood.

        The similarities of those without one are lowered until they stay behind.

        Args:
            scores: float32, [Q, M], of the first results.
            is_scored: bool, [Q, M]; None: all are.
        """
        if is_scored is None:
            is_scored = np.ones(scores.shape, bool)
        kept = np.zeros(self.ranks.shape, bool)
        kept[:, :scores.shape[1]] = is_scored
        similarities = np.array(self.similarities)
        best_other = np.where(kept, -np.inf, similarities).max(axis=1, keepdims=True)
        least = np.where(is_scored, scores, np.inf).min(axis=1, keepdims=True)
        similarities -= np.maximum(best_other - least + _GAP, 0).astype(np.float32)
        similarities[kept] = scores[is_scored]
        order = np.lexsort((self.ranks, -similarities))
        return dataclasses.replace(self, ranks=np.take_along_axis(self.ranks, order, 1),
                                   similarities=np.take_along_axis(similarities, order, 1))


@dataclasses.dataclass(frozen=True)
class Reranker:
    """A way to put the results of the global search into a better order.

    Attributes:
        rerank: from the state that the one before it left and the settings of the search to the next state.
        settings: dataclass of its own settings, which become settings and flags of every search; None: none.
        depth: from the settings of the search to the number of results per query that it has to see.
        changes_index: whether it moves the index descriptors; it comes first then.
    """

    rerank: Callable[[RankingState, Any], RankingState]
    settings: type | None = None
    depth: Callable[[Any], int] = lambda config: 1
    changes_index: bool = False


def exact_search(descriptors: np.ndarray) -> Search:
    """A search that compares with every one of the descriptors, float32 [N, D]."""
    from delg.index.exact import nearest  # not at the top: FAISS takes its time to load

    return lambda queries, count: nearest(queries, descriptors, count or len(descriptors))
