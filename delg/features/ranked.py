"""Whether features are those that a ranking was made from."""

from __future__ import annotations

import numpy as np

from delg.features.reader import FeatureReader
from delg.scores.ranking import Ranking
from delg.settings.kinds import GLOBAL_DESCRIPTORS

_LARGEST_DIFFERENCE = 0.01  # of cosines that differ by rounding alone; chosen: above what float16 does


def refuse_other_images(ranking: Ranking, queries: FeatureReader, images: FeatureReader) -> None:
    """Raises ValueError if features of the ranking's ids are of other images than were searched.

    Compares the similarity of a result of each query with the cosine of the two descriptors. A ranking that
    re-rankers, local features, views of queries or another system have made has no such similarities, and is
    not checked; nor are images that the features lack.

    Args:
        ranking: made by a search.
        queries: features of its queries, and maybe of others.
        images: features of its index images, and maybe of others.
    """
    config = ranking.config
    if "inputs" not in config or config.get("rerankers") or config.get("query_view_features") or (
            not ranking.ranks.shape[1] or config.get("ranked_by", GLOBAL_DESCRIPTORS) != GLOBAL_DESCRIPTORS):
        return
    place = np.arange(len(ranking.ranks)) % ranking.ranks.shape[1]  # another one for each query
    for query, column in enumerate(place):
        ids = ranking.query_ids[query], ranking.index_ids[ranking.ranks[query, column]]
        if ids[0] not in queries.row_of or ids[1] not in images.row_of:
            continue
        one, other = (reader.global_descriptor(reader.row_of[image_id])
                      for reader, image_id in zip((queries, images), ids))
        similarity = float(ranking.similarities[query, column])
        scale = max(float(np.linalg.norm(one) * np.linalg.norm(other)), 1e-12)
        cosine = float(one @ other) / scale if one.shape == other.shape else np.nan
        if not abs(cosine - similarity) <= _LARGEST_DIFFERENCE:
            raise ValueError("Features must be those that `ranking` was made from. Received: other images "
                             f"of the ids {ids[0]!r} and {ids[1]!r}, of similarity {cosine:.3f} where the "
                             f"ranking has {similarity:.3f}; or they were extracted in another way.")
