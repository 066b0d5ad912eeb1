"""Two images compared by their features: similarity, inliers, and where the query lies in the other."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from delg.features.shards import ImageFeatures
from delg.geometry import pairs, placing
from delg.geometry.pairs import VerifiedPair
from delg.geometry.verdict import pair_evidence
from delg.settings.search import SearchConfig


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What holds between a query and an index image.

    Attributes:
        query, index: their features.
        pair: verified.
        config: matcher, verifier and their settings.
    """

    query: ImageFeatures
    index: ImageFeatures
    pair: VerifiedPair
    config: SearchConfig

    @property
    def similarity(self) -> float:
        """Cosine of the global descriptors, in [-1, 1]; 0 where there are none."""
        return float(self.query.global_descriptor @ self.index.global_descriptor)

    @property
    def query_yx(self) -> np.ndarray:
        """float32, [num_inliers, 2]: pixels of the query."""
        return self.query.local.keypoints_yx[self.pair.query_rows]

    @property
    def index_yx(self) -> np.ndarray:
        """float32, [num_inliers, 2]: pixels of the index image."""
        return self.index.local.keypoints_yx[self.pair.index_rows]

    def evidence(self, local_similarity: float = 0.0) -> np.ndarray:
        """What speaks for one thing on both: float64 [len(COLUMNS)], see `verdict.pair_evidence`.

        Args:
            local_similarity: of aggregated local features, in [0, 1]; 0 where it is not known.
        """
        return pair_evidence(self.similarity, self.pair.num_inliers, len(self.pair.matches),
                             self.pair.num_mutual, local_similarity)

    def outline_of(self, box: Sequence[float] | np.ndarray | None) -> np.ndarray | None:
        """Where a box of the query, x1, y1, x2, y2 in pixels, lies in the index image; see `place_box`.

        None stands for all of the query.
        """
        height, width = self.query.image_size
        threshold = pairs.inlier_threshold(self.config, self.query.image_size)
        return placing.place_box(np.asarray((0, 0, width, height) if box is None else box), self.query_yx,
                                 self.index_yx, threshold, self.index.image_size)


def compare(query: ImageFeatures, index: ImageFeatures, config: SearchConfig) -> Comparison:
    """Verifies two images; arguments and errors as of `pairs.verify_pair`."""
    pair = pairs.verify_pair(query.local, index.local, config, query.image_size)
    return Comparison(query, index, pair, config)
