"""Re-ranking with what verification has found (numpy)."""

from __future__ import annotations

import numpy as np

from delg.search.verified_scores import log_inlier_ratio, verified_scores
from delg.settings.search import SearchConfig


def expand_query(query: np.ndarray, verified: np.ndarray, num_inliers: np.ndarray,
                 min_inliers: int) -> np.ndarray:
    """The query's descriptor moved towards those of the results that geometry has confirmed.

    A view that shares little with the query may share much with a confirmed result. Each result weighs
    log(inliers / floor), at most as much as the query itself (chosen): one barely confirmed hardly counts.
    Source: query expansion by verified results, "Total Recall", ICCV 2007, section 4.

    Args:
        query: float32, [D], unit norm.
        verified: float32, [V, D], unit norm; the global descriptors of the verified results.
        num_inliers: int, [V].
        min_inliers: the floor; 0 is taken as 1.

    Returns:
        float32, [D], unit norm; the query itself when no result is above the floor.
    """
    weights = np.minimum(log_inlier_ratio(num_inliers, min_inliers), 1.0)
    expanded = query + (weights @ verified).astype(np.float32)
    return expanded / np.linalg.norm(expanded)


def verified_order(similarities: np.ndarray, num_inliers: np.ndarray, num_verified: int, config: SearchConfig,
                   query: np.ndarray, descriptors: np.ndarray | None) -> np.ndarray:
    """Where the results of one query go once the first of them are verified; the verified stay first.

    Args:
        similarities: float32, [K], descending; what results are ordered by before they are verified.
        num_inliers: int, [K]; of the verified.
        num_verified: results that were verified, the first.
        config: how inliers and similarity make the order; its `min_inliers` is the floor.
        query: float32, [D], unit norm.
        descriptors: float32, [K, D], unit norm; those of the results. Read with `config.expand_query` only.

    Returns:
        int64, [K]: the places of the results, in their final order.
    """
    verified, by_global = np.s_[:num_verified], similarities
    if config.expand_query:
        expanded = expand_query(query, descriptors[verified], num_inliers[verified], config.min_inliers)
        by_global = similarities + descriptors @ (expanded - query)  # all that is summed moves as cosines do
    scores = verified_scores(by_global[verified], num_inliers[verified], config.min_inliers,
                             config.inlier_weight, config.final_order)
    return np.concatenate([np.argsort(-scores, kind="stable"),
                           num_verified + np.argsort(-by_global[num_verified:], kind="stable")])
