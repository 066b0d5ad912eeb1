"""What verified results are sorted by: similarity and inliers together, or inliers first (numpy)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from delg.settings.kinds import FINAL_ORDERS


@dataclasses.dataclass(frozen=True)
class FinalOrder:
    """A way to sort verified results.

    Attributes:
        score: from similarities float64 [..., V], inliers int [..., V], their floor and the weight of inliers
            to what is sorted by, largest first: float64 [..., V].
        describe: from the floor to the order in words.
    """

    score: Callable[[np.ndarray, np.ndarray, int, float], np.ndarray]
    describe: Callable[[int], str]


def log_inlier_ratio(num_inliers: np.ndarray, min_inliers: int) -> np.ndarray:
    """log(inliers / floor), 0 up to the floor: float64, shaped as `num_inliers`; a floor of 0 counts as 1."""
    floor = max(1, min_inliers)
    return np.log(np.maximum(num_inliers, floor) / floor)


def verified_scores(similarities: np.ndarray, num_inliers: np.ndarray, min_inliers: int,
                    inlier_weight: float = 0.2, final_order: str = "fused") -> np.ndarray:
    """What the verified results are sorted by, largest first.

    Inliers up to `min_inliers` count as none, since chance brings a few to any pair: without the floor,
    verification makes a good global ranking worse.

    Args:
        similarities: float, [..., V], cosines in [-1, 1].
        num_inliers: int, [..., V], at least 0.
        min_inliers: the floor; 0 is taken as 1.
        inlier_weight: of the inliers beside the similarity, for `fused`; 0: the similarities as they are.
        final_order: a name of FINAL_ORDERS.

    Returns:
        float64, [..., V].
    """
    return FINAL_ORDERS[final_order].score(np.asarray(similarities, np.float64), num_inliers, min_inliers,
                                           inlier_weight)


def fused_scores(similarities: np.ndarray, num_inliers: np.ndarray, min_inliers: int,
                 inlier_weight: float) -> np.ndarray:
    """similarity + weight * log(inliers / floor) above the floor: each doubling adds the same.

    Ours, see docs/decisions/0026-final-order.md: on real photographs a sum that starts at the floor beats
    both the order by inliers and a sum of log(1 + inliers).
    """
    return similarities + inlier_weight * log_inlier_ratio(num_inliers, min_inliers)


def inlier_scores(similarities: np.ndarray, num_inliers: np.ndarray, min_inliers: int,
                  inlier_weight: float) -> np.ndarray:
    """By inliers, ties by similarity; the weight is not read.

    Source: the released code of DELG, Cao et al., ECCV 2020, https://arxiv.org/abs/2001.05027.
    """
    inliers = np.asarray(num_inliers, np.float64)
    return np.where(inliers >= min_inliers, inliers, 0) + similarities / 4  # less than half an inlier


def _describe_inliers(floor: int) -> str:
    return f"by inliers{f', fewer than {floor} counting as none' if floor > 1 else ''}, then similarity"


FUSED = FinalOrder(fused_scores, lambda floor: "by similarity and inliers together")
BY_INLIERS = FinalOrder(inlier_scores, _describe_inliers)
