"""Hits of a verified ranking judged: probability, verdict, and where the query's box lies in them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from delg.features.reader import FeatureReader
from delg.geometry import placing, verdict
from delg.geometry.ranked_pairs import RankedPairs
from delg.report.found_page import NUM_LARGE, DrawnMatch
from delg.scores.found import FoundForQuery, FoundImage
from delg.scores.ranking import Ranking


class Judge:
    """Judges the hits of one ranking.

    Args:
        ranking: of a search.
        queries, images: features that it was made from.
        verdict_path: of a model of verdicts; empty: the one of the package that goes with the ranking.
        path_of: from the id of an image to what a hit is called.

    Attributes:
        matches: by what query and hit are called, what is drawn between them; of hits shown large.
    """

    def __init__(self, ranking: Ranking, queries: FeatureReader, images: FeatureReader,
                 verdict_path: str = "", path_of: Callable[[str], str] = str):
        self._model = verdict.verdict_for(ranking.local_similarities is not None, verdict_path)
        self._ranking, self._path_of = ranking, path_of
        self._pairs = RankedPairs(ranking, queries, images)
        self.matches: dict[tuple[str, str], DrawnMatch] = {}

    def query(self, row: int, columns: Iterable[int], name: str, box: Sequence[float] | np.ndarray | None,
              unverified: str | None = None) -> FoundForQuery:
        """Some hits of a query, in their order, and the word for it.

        Args:
            row: of the query in the ranking.
            columns: places of the hits in the ranking.
            name: what the query is called.
            box: x1, y1, x2, y2, pixels of what was searched for; None: all of it.
            unverified: verdict on hits that were not verified.
        """
        box = None if box is None else tuple(map(float, box))
        hits = tuple(self._hit(row, column, rank, name, box, unverified)
                     for rank, column in enumerate(columns, 1))
        words = [hit.verdict for hit in hits if hit.verdict]
        return FoundForQuery(name, hits, verdict.query_word(words) if words or unverified else None, box)

    def _hit(self, row: int, column: int, rank: int, query: str, box: Sequence[float] | None,
             unverified: str | None) -> FoundImage:
        """A hit with what its pair says of it; verified again where keypoints are asked for."""
        ranking = self._ranking
        image_id = ranking.index_ids[ranking.ranks[row, column]]
        num_inliers = int(ranking.num_inliers[row, column])
        hit = FoundImage(self._path_of(image_id), rank, float(ranking.similarities[row, column]), num_inliers,
                         verdict=unverified)
        if num_inliers < 0:
            return hit
        (probability,), (word,) = self._model.judge(self._pairs.evidence(row, [column]))
        is_confirmed, outline = num_inliers >= ranking.floor, None
        if is_confirmed or rank <= NUM_LARGE:
            found = self._pairs.compared(row, column)
            outline = found.outline_of(box) if is_confirmed else None
            if rank <= NUM_LARGE:
                self.matches[query, hit.image] = DrawnMatch(found.query_yx, found.index_yx, outline)
        return dataclasses.replace(hit, probability=float(probability), verdict=word,
                                   box=None if outline is None else placing.bounds(outline))
