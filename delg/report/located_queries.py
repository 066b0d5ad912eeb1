"""Places of the queries of a ranking, told by their verified hits: what a map of them shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from delg.features.reader import FeatureReader
from delg.places.known import KnownPlaces
from delg.places.located import located
from delg.places.shown import as_spots
from delg.report.judging import Judge
from delg.scores.ranking import Ranking


def spots_of_queries(known: KnownPlaces, ranking: Ranking, queries: FeatureReader, images: FeatureReader,
                     anchors: Mapping[int, str], num_hits: int) -> list[dict[str, Any]]:
    """Spots of some queries and of their hits, as the verdict of the package judges these.

    Args:
        known: places, of the table alone.
        ranking: of a search.
        queries, images: features that it was made from.
        anchors: row of a query in the ranking -> where the page shows it.
        num_hits: of each query, at most.
    """
    if not any(known.in_table(image_id) for image_id in ranking.index_ids):
        return []
    judge, spots = Judge(ranking, queries, images), []
    columns = range(min(num_hits, ranking.ranks.shape[1]))
    for row, anchor in anchors.items():
        query_id = ranking.query_ids[row]
        found = judge.query(row, columns, query_id, None)
        spots += as_spots(located(found, known.in_table(query_id), known.in_table), f"#{anchor}")
    return spots
