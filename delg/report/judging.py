"""Hits of a verified ranking judged: probability, verdict, and where the query's box lies in them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from delg.features.reader import FeatureReader
from delg.geometry import placing, verdict
from delg.geometry.comparing import compare
from delg.report.found_page import DrawnMatch
from delg.scores.found import FoundImage
from delg.scores.ranking import Ranking


def judge_hit(hit: FoundImage, ranking: Ranking, queries: FeatureReader, query_row: int,
              images: FeatureReader, image_row: int,
              box: Sequence[float] | None) -> tuple[FoundImage, DrawnMatch | None]:
    """A hit with what its pair, verified again with the settings and seed of the search, says of it.

    Args:
        hit: as the ranking has it.
        ranking: of the search.
        queries: features of the queries.
        query_row: of the query in these.
        images: features of the images.
        image_row: of the hit in these.
        box: x1, y1, x2, y2, pixels of the query, of what was searched for; None: all of it.

    Returns:
        The hit and what is drawn between the two; as it was, and None, where nothing was verified.
    """
    if hit.num_inliers < 0:
        return hit, None
    found = compare(queries.image(query_row), images.image(image_row), ranking.search_config)
    evidence = verdict.pair_evidence(found.similarity, found.pair)
    (probability,), (word,) = verdict.load_verdict().judge(evidence[None])
    outline = found.outline_of(box) if hit.num_inliers >= ranking.floor else None
    judged = dataclasses.replace(hit, probability=float(probability), verdict=word,
                                 box=None if outline is None else placing.bounds(outline))
    return judged, DrawnMatch(found.query_yx, found.index_yx, outline)
