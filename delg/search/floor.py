"""The floor of a search: inliers up to it count as none, as chance brings a few to any pair (numpy)."""

from __future__ import annotations

import dataclasses

import numpy as np
from absl import logging

from delg.search.verifying import VerifyRows
from delg.settings.search import SearchConfig

CALIBRATION_PAIRS = 1000  # chosen
DEFAULT_MIN_INLIERS = 15  # where too few pairs exist to calibrate on; chosen


def with_floor(config: SearchConfig, verify: VerifyRows, ranks: np.ndarray,
               feature_rows: np.ndarray) -> SearchConfig:
    """The settings of a search with a floor calibrated on pairs far down its rankings, if they name none.

    Args:
        config: settings.
        verify: verifies rows of the index features for every query.
        ranks: int, [Q, K], index rows, best first.
        feature_rows: int, [N], row in the index features of each image of the index.
    """
    if config.min_inliers:
        return config
    rows = [feature_rows[far] for far in pairs_far_down(ranks, len(feature_rows), config)]
    num_pairs = sum(map(len, rows))
    if num_pairs < 100:
        logging.warning("Only %d pairs to calibrate the least number of inliers on; taking %d. "
                        "Set --min_inliers for another.", num_pairs, DEFAULT_MIN_INLIERS)
        return dataclasses.replace(config, min_inliers=DEFAULT_MIN_INLIERS)
    counts = np.concatenate([counts for counts, _ in verify("Calibrating", rows)])
    floor = calibrate_min_inliers(counts)
    logging.info("Fewer than %d inliers count as none: calibrated on %d pairs.", floor, num_pairs)
    return dataclasses.replace(config, min_inliers=floor)


def pairs_far_down(ranks: np.ndarray, num_index: int, config: SearchConfig) -> list[np.ndarray]:
    """Per query, random index rows outside the first half of its ranking: next to none of them match.

    Of more queries than pairs are wanted, as many, evenly spaced; the others have none.
    """
    generator = np.random.default_rng(config.seed)
    per_query = -(-CALIBRATION_PAIRS // len(ranks))
    chosen = [np.empty(0, np.int64)] * len(ranks)
    for query in np.unique(np.linspace(0, len(ranks) - 1, min(len(ranks), CALIBRATION_PAIRS)).astype(int)):
        far = np.delete(np.arange(num_index), ranks[query][:num_index // 2])
        chosen[query] = generator.choice(far, min(per_query, far.size), replace=False)
    return chosen


def calibrate_min_inliers(inlier_counts: np.ndarray, quantile: float = 0.9999) -> int:
    """Floor that a share `quantile` of pairs of different scenes stays below.

    The tail is taken as exponential through the 90 % and 98 % points of the counts, so that a thousand
    pairs are enough, and the floor stands when up to one in fifty does show the same scene.

    Args:
        inlier_counts: int, [num_pairs]; inliers of pairs that should not match, at least 100 pairs.
        quantile: share of such pairs to refuse, in [0.98, 1). The default lets one in a hundred lists of
            100 results through (chosen).

    Returns:
        The floor, at least 1.

    Raises:
        ValueError: with fewer than 100 counts, or a quantile out of range.
    """
    counts = np.sort(np.asarray(inlier_counts))
    if counts.size < 100 or not 0.98 <= quantile < 1:
        raise ValueError("Calibration takes at least 100 pairs and a `quantile` in [0.98, 1). "
                         f"Received: {counts.size} pairs, quantile={quantile}.")
    # Equal counts are spread over the step up to the next whole number, or the points would jump by one.
    _, first, inverse, repeats = np.unique(counts, return_index=True, return_inverse=True, return_counts=True)
    within = (np.arange(counts.size) - first[inverse] + 0.5) / repeats[inverse]
    low, high = np.quantile(counts + within, [0.9, 0.98])
    tail = high + (high - low) / np.log(0.1 / 0.02) * np.log(0.02 / (1 - quantile))
    return max(1, int(np.ceil(tail)))
