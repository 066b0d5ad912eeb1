"""Pairs of a query and a result of a ranking: their evidence as the ranking keeps it, or verified again."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from delg.features.reader import FeatureReader
from delg.geometry.comparing import Comparison, compare
from delg.geometry.verdict import COLUMNS, pair_evidence
from delg.scores.ranking import Ranking


class RankedPairs:
    """The verified pairs of one ranking.

    Args:
        ranking: of a search; one that keeps no matches has its pairs verified again.
        queries, images: features that it was made from.
    """

    def __init__(self, ranking: Ranking, queries: FeatureReader, images: FeatureReader):
        self._ranking, self._queries, self._images = ranking, queries, images
        self.compared = functools.lru_cache(1)(self._verified_again)  # for evidence, then for what is drawn

    def _verified_again(self, query: int, column: int) -> Comparison:
        """A result of a query, verified again with the settings and seed of the search."""
        asked, image = self._rows(query, column)
        return compare(self._queries.image(asked), self._images.image(image), self._ranking.search_config)

    def evidence(self, query: int, columns: Sequence[int]) -> np.ndarray:
        """Of verified results of a query: float64, [len(columns), len(COLUMNS)], rows of `pair_evidence`."""
        rows = [self._evidence(query, column) for column in columns]
        return np.array(rows, np.float64).reshape(-1, len(COLUMNS))

    def _evidence(self, query: int, column: int) -> np.ndarray:
        ranking, (asked, image) = self._ranking, self._rows(query, column)
        similarity = float(self._queries.global_descriptor(asked) @ self._images.global_descriptor(image))
        if ranking.keeps_matches:
            counts = [array[query, column] for array in (ranking.num_inliers, ranking.num_matches,
                                                         ranking.num_mutual)]
        else:
            pair = self.compared(query, column).pair
            counts = pair.num_inliers, len(pair.matches), pair.num_mutual
        return pair_evidence(similarity, *counts, ranking.local_similarity(query, column))

    def _rows(self, query: int, column: int) -> tuple[int, int]:
        """Rows of a query and of a result in their features."""
        image_id = self._ranking.index_ids[self._ranking.ranks[query, column]]
        return self._queries.row_of[self._ranking.query_ids[query]], self._images.row_of[image_id]
