"""Landmark recognition by votes of the nearest training images (numpy).

Source: the retrieval baseline of the Google Landmark Recognition 2020 challenge (Kaggle), with DELG features:
a neighbour's score is its similarity plus its inliers, capped and scaled to 1; a landmark's is the sum over
the best few neighbours; the largest sum is the prediction and its confidence. New here: the votes of images
that show no landmark, after the idea of Henkel and Singer, https://arxiv.org/abs/2010.01650, to judge by
likeness to images out of the domain.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from delg.settings.recognition import VoteConfig

NO_LANDMARK = -1


class Recognition(NamedTuple):
    """A landmark for every test image."""

    landmarks: np.ndarray  # [Q], numbers or names; NO_LANDMARK: none is recognised
    confidences: np.ndarray  # float64 [Q], comparable between test images; of no meaning where there is none


def neighbor_scores(similarities: np.ndarray, num_inliers: np.ndarray, min_inliers: int,
                    config: VoteConfig) -> np.ndarray:
    """How much each neighbour's vote counts; never negative, so that no vote can harm its landmark.

    Args:
        similarities: float, [Q, K], cosines; negative ones count as 0.
        num_inliers: int, [Q, K]; -1: not verified.
        min_inliers: fewer than these count as none.
        config: cap and weight of the inliers.

    Returns:
        float64, [Q, K], in [0, 1 + config.inlier_vote].
    """
    inliers = np.where(num_inliers >= max(min_inliers, 1), num_inliers, 0)
    share = np.minimum(inliers, config.max_inliers) / config.max_inliers
    return np.maximum(similarities, 0.0) + config.inlier_vote * share


def vote(landmarks: np.ndarray, scores: np.ndarray, num_voters: int) -> Recognition:
    """The landmark whose voters' scores have the largest sum, and by how much it beats "no landmark".

    Only the `num_voters` neighbours of the highest score vote; among equals, the earlier. Voters that show no
    landmark vote against all: their sum is taken off the confidence, and where that leaves nothing, nothing
    is recognised. Two landmarks with equal sums: the one of the better neighbour.

    Args:
        landmarks: [Q, K], numbers or names; what each neighbour shows, NO_LANDMARK: none.
        scores: float, [Q, K], not negative; of the neighbours, in any order.
        num_voters: at least 1.
    """
    first = np.argsort(-scores, axis=1, kind="stable")[:, :num_voters]
    landmarks, scores = (np.take_along_axis(array, first, 1) for array in (landmarks, scores))
    same = landmarks[:, :, None] == landmarks[:, None, :]
    sums = np.sum(same * scores[:, None, :], axis=2, dtype=np.float64)  # [Q, V], of each voter's landmark
    shows = landmarks != NO_LANDMARK
    against = np.sum(scores * ~shows, axis=1, dtype=np.float64)
    best = np.argmax(np.where(shows, sums, -1.0), axis=1)[:, None]
    confidences = np.take_along_axis(sums, best, 1)[:, 0] - against
    chosen = np.take_along_axis(landmarks, best, 1)[:, 0]
    rejected = ~shows.all(axis=1) & (confidences <= 0)
    return Recognition(np.where(rejected, NO_LANDMARK, chosen), confidences)
