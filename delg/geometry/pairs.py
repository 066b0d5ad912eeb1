"""Verifying one query against one index image: matches, transform, inliers."""

from __future__ import annotations

import dataclasses

import numpy as np

from delg.features.shards import LocalFeatures
from delg.geometry import matching, verification
from delg.geometry.matching import Matches
from delg.geometry.transforms import project
from delg.settings.search import SearchConfig

THRESHOLD_IMAGE_SIZE = 1024  # pixels; `inlier_threshold` is meant for a query with this longer side


@dataclasses.dataclass(frozen=True)
class VerifiedPair:
    """What holds between two images; no inliers and a NaN transform when nothing does."""

    transform: np.ndarray  # float64 [3, 3], from index pixels (x, y, 1) to query pixels
    query_rows: np.ndarray  # int64 [num_inliers], rows of the query's local features
    index_rows: np.ndarray  # int64 [num_inliers], rows of the index image's local features
    matches: Matches  # putative, that the transform was sought among

    @property
    def num_inliers(self) -> int:
        """Matches that agree with the transform."""
        return len(self.query_rows)

    @property
    def num_mutual(self) -> int:
        """Putative matches among the inliers; the others came by guided matching."""
        putative = set(zip(self.matches.query_rows.tolist(), self.matches.index_rows.tolist()))
        return len(putative.intersection(zip(self.query_rows.tolist(), self.index_rows.tolist())))


def verify_pair(query: LocalFeatures, index: LocalFeatures, config: SearchConfig | None = None,
                query_size: tuple[int, int] = (THRESHOLD_IMAGE_SIZE, THRESHOLD_IMAGE_SIZE)) -> VerifiedPair:
    """The transform between two images and the matches that agree with it.

    A verifier with a recipe of its own runs that, whatever the other settings say; see `verifiers.paper`.
    Otherwise inliers are one to one, the threshold is scaled with the query, and once the transform is known,
    `config.guided_neighbors` lets more matches in.

    Args:
        query: local features of the query.
        index: local features of the index image.
        config: matcher, verifier and their settings; None: the defaults.
        query_size: height and width of the query image, pixels, which the threshold of inliers goes by.

    Raises:
        ValueError: if `config` names no verifier.
    """
    config = config or SearchConfig()
    verifier = verification.verifier_of(config.verifier)
    config = verifier.settle(config)
    cosines = matching.cosines_of(query.descriptors, index.descriptors)
    matches = matching.match_cosines(cosines, config.matcher, config.ratio, config.max_distance)
    if not verifier.is_one_way:
        matches = matching.one_to_one(matches)
    threshold = inlier_threshold(config, query_size)
    transform, inliers = verification.verify_matches(
        query.keypoints_yx[matches.query_rows], index.keypoints_yx[matches.index_rows], config.verifier,
        config.transform, threshold, config.max_iterations, config.seed,
        query.scales[matches.query_rows], index.scales[matches.index_rows])
    query_rows, index_rows = matches.query_rows[inliers], matches.index_rows[inliers]
    if inliers.any() and config.guided_neighbors:
        mapped = project(transform, index.keypoints_yx[:, ::-1])
        guided = matching.guided_matches(cosines, query.keypoints_yx[:, ::-1], mapped, threshold,
                                         config.guided_neighbors)
        if len(guided) > len(query_rows):
            query_rows, index_rows = guided.query_rows, guided.index_rows
    return VerifiedPair(transform, query_rows, index_rows, matches)


def inlier_threshold(config: SearchConfig, query_size: tuple[int, int]) -> float:
    """The largest error of an inlier in pixels of a query of this height and width."""
    raw = verification.verifier_of(config.verifier).in_raw_pixels
    return config.inlier_threshold * (1 if raw else max(query_size) / THRESHOLD_IMAGE_SIZE)
