"""The floor of a search: inliers up to it count as none, as chance brings a few to any pair (numpy)."""

from __future__ import annotations

import dataclasses

import numpy as np
from absl import logging

from delg.search.verifying import VerifyRows
from delg.settings.search import SearchConfig

CALIBRATION_PAIRS = 1000  # chosen
DEFAULT_MIN_INLIERS = 15  # where local features are too few to calibrate on; chosen
_MAX_REPEATS = 100  # times that one pair is verified with other places
_TAIL = 0.02  # of pairs out of place, those of most inliers, whose mean is the level of chance; chosen
_NUM_SAMPLES = 100  # that the error of the floor is taken from
_FAR_DOWN = 0.1  # of pairs far down, the share that may match, so that what it reaches is a level too; chosen
_SUSPICIOUS_SHARE = 0.02  # of pairs far down that reach the floor: two of a hundred verified; chosen
_TIMES_LEVEL = 2  # floor over the levels; chosen on the demo and on half of some real photographs


def with_floor(config: SearchConfig, verify: VerifyRows, ranks: np.ndarray,
               feature_rows: np.ndarray) -> SearchConfig:
    """The settings of a search with a floor found without labels, if they name none.

    Pairs far down the rankings are verified with the places of the index image's features exchanged. No
    geometry can hold then, so what agrees does so by chance, even where all images show one scene. The same
    pairs as they are tell what images of different scenes share where neighbouring features look alike, as
    those of untrained backbones do; unless so many agree that they show one scene, which is reported.

    Args:
        config: settings.
        verify: verifies rows of the index features for every query.
        ranks: int, [Q, K], index rows, best first.
        feature_rows: int, [N], row in the index features of each image of the index.
    """
    if config.min_inliers:
        return config
    rows = [feature_rows[far] for far in pairs_far_down(ranks, len(feature_rows), config)]
    repeats = min(_MAX_REPEATS, -(-CALIBRATION_PAIRS // sum(map(len, rows))))
    by_chance = np.concatenate([verified.num_inliers for verified in verify(
        "Calibrating", [np.tile(some, repeats) for some in rows], out_of_place=True)])
    if not by_chance.any():
        logging.warning("Too few local features to calibrate the least number of inliers on; taking %d. Set "
                        "--min_inliers for another.", DEFAULT_MIN_INLIERS)
        return dataclasses.replace(config, min_inliers=DEFAULT_MIN_INLIERS)
    far_down = np.concatenate([verified.num_inliers for verified in verify("Checking the floor", rows)])
    generator = np.random.default_rng(config.seed)
    error = np.std([floor_over(generator.choice(by_chance, by_chance.size),
                               generator.choice(far_down, far_down.size)) for _ in range(_NUM_SAMPLES)])
    floor = max(1, round(floor_over(by_chance, far_down)))
    logging.info("Fewer than %d inliers count as none, give or take %.1f: twice what chance brings to %d "
                 "pairs with their keypoints out of place, or what is usual in %d far down the rankings.",
                 floor, error, len(by_chance), len(far_down))
    share = np.mean(far_down >= floor)
    if share > _SUSPICIOUS_SHARE:
        logging.warning("%.0f %% of %d pairs far down the rankings have %d inliers or more: they show one "
                        "scene, or share a mark such as a frame or a caption, which counts as one, or many "
                        "features look alike, and verified rankings may be worse than those before. If they "
                        "show different scenes, set --min_inliers.", 100 * share, len(far_down), floor)
    return dataclasses.replace(config, min_inliers=floor)


def pairs_far_down(ranks: np.ndarray, num_index: int, config: SearchConfig) -> list[np.ndarray]:
    """Per query, random index rows outside the first half of its ranking: mostly of other scenes.

    Of more queries than pairs are wanted, as many, evenly spaced; the others have none.
    """
    generator = np.random.default_rng(config.seed)
    per_query = -(-CALIBRATION_PAIRS // len(ranks))
    chosen = [np.empty(0, np.int64)] * len(ranks)
    for query in np.unique(np.linspace(0, len(ranks) - 1, min(len(ranks), CALIBRATION_PAIRS)).astype(int)):
        far = np.delete(np.arange(num_index), ranks[query][:num_index // 2])
        chosen[query] = generator.choice(far, min(per_query, far.size), replace=False)
    return chosen


def floor_over(by_chance: np.ndarray, far_down: np.ndarray) -> float:
    """The floor over inliers of pairs that do not match.

    Twice the mean of the largest 2 % that chance brings, as what repeats in two images may lie alike in
    both; or twice what a tenth of the pairs far down reach, if that is more. Where they reach the former
    floor, they match rather than look alike, and say nothing.

    Args:
        by_chance: int, [num_pairs]; inliers of pairs whose keypoints are out of place.
        far_down: int, [num_pairs]; inliers of pairs far down the rankings as they are.
    """
    over_chance = _TIMES_LEVEL * float(np.sort(by_chance)[-max(1, round(_TAIL * len(by_chance))):].mean())
    usual = float(np.quantile(far_down, 1 - _FAR_DOWN))
    return over_chance if usual >= over_chance else max(over_chance, _TIMES_LEVEL * usual)
