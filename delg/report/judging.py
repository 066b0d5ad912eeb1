"""Hits of a verified ranking judged: probability, verdict, and where the query's box lies in them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from delg.features.reader import FeatureReader
from delg.geometry import pairs, placing, verdict
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
    query, image = queries.local_features(query_row), images.local_features(image_row)
    height, width = map(int, queries.image_sizes[query_row])
    config = ranking.search_config
    pair = pairs.verify_pair(query, image, config, (height, width))
    similarity = float(queries.global_descriptors[query_row] @ images.global_descriptors[image_row])
    (probability,), (word,) = verdict.load_verdict().judge(verdict.pair_evidence(similarity, pair)[None])
    query_yx, image_yx = query.keypoints_yx[pair.query_rows], image.keypoints_yx[pair.index_rows]
    outline = None
    if hit.num_inliers >= ranking.floor:
        outline = placing.place_box(
            np.asarray((0, 0, width, height) if box is None else box), query_yx, image_yx,
            pairs.inlier_threshold(config, (height, width)), tuple(map(int, images.image_sizes[image_row])))
    judged = dataclasses.replace(hit, probability=float(probability), verdict=word,
                                 box=None if outline is None else placing.bounds(outline))
    return judged, DrawnMatch(query_yx, image_yx, outline)
