"""Re-ranking with what verification has found (numpy)."""

from __future__ import annotations

import numpy as np

from delg.verification import log_inlier_ratio


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
