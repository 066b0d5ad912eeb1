"""Geometric verification: the transform and the inliers among putative matches (numpy, OpenCV, scikit-image).

A transform is a 3 x 3 float64 matrix from index pixels (x, y, 1) to query pixels; NaN where none was found.
"""

from __future__ import annotations

import warnings

import cv2
import numpy as np
from skimage import measure
from skimage import transform as geometry

from delg.geometry.verifiers import scale

VERIFIERS = ("usac", "scale", "paper")
TRANSFORMS = ("homography", "affine")
MAX_SCALE = 10.0  # of lengths, between the two images; chosen
MAX_STRETCH = 6.0  # longest over shortest image of a unit circle: a plane seen 80 degrees aslant; chosen
MAX_DEPTH_RATIO = 6.0  # farthest over nearest inlier of the plane; chosen


def project(transform: np.ndarray, points_xy: np.ndarray) -> np.ndarray:
    """Points mapped by a transform; inf for those on or behind its horizon.

    Args:
        transform: float, [3, 3].
        points_xy: float, [k, 2], pixels.

    Returns:
        float64, [k, 2], pixels.
    """
    mapped = np.column_stack([points_xy, np.ones(len(points_xy))]) @ np.asarray(transform, np.float64).T
    depth = mapped[:, 2:]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(depth > 0, mapped[:, :2] / depth, np.inf)


def is_plausible(transform: np.ndarray, points_xy: np.ndarray) -> bool:
    """Whether a camera could have made this transform of what lies at `points_xy`.

    Refused: mirror images, more than MAX_SCALE between the images, a stretch beyond MAX_STRETCH, and
    inliers spread over more than MAX_DEPTH_RATIO in depth. Chance agreements are often of these kinds.

    Args:
        transform: float, [3, 3], positive depth at the points.
        points_xy: float, [k, 2], pixels of the index image, k at least 1.
    """
    depths = points_xy @ transform[2, :2] + transform[2, 2]
    nearest, farthest = depths.min(), depths.max()
    if not np.all(np.isfinite(transform)) or nearest <= 0 or farthest > MAX_DEPTH_RATIO * nearest:
        return False
    centre = points_xy.mean(axis=0)
    depth = centre @ transform[2, :2] + transform[2, 2]
    mapped = (transform[:2, :2] @ centre + transform[:2, 2]) / depth
    jacobian = (transform[:2, :2] - np.outer(mapped, transform[2, :2])) / depth
    longest, shortest = np.linalg.svd(jacobian, compute_uv=False)
    return bool(np.linalg.det(jacobian) > 0 and longest <= MAX_SCALE and shortest >= 1 / MAX_SCALE
                and longest <= MAX_STRETCH * shortest)


def _usac(query_xy: np.ndarray, index_xy: np.ndarray, transform: str, threshold: float, max_iterations: int,
          seed: int) -> np.ndarray | None:
    """Best transform of OpenCV's USAC: PROSAC samples the best matches first, local optimisation refines."""
    settings = cv2.UsacParams()
    settings.sampler = cv2.SAMPLING_PROSAC
    settings.score = cv2.SCORE_METHOD_MAGSAC
    settings.loMethod = cv2.LOCAL_OPTIM_SIGMA
    settings.final_polisher = cv2.MAGSAC
    settings.confidence = 0.999
    settings.threshold = threshold
    settings.maxIterations = max_iterations
    settings.randomGeneratorState = seed
    settings.isParallel = False
    try:
        if transform == "homography":
            return cv2.findHomography(index_xy, query_xy, settings)[0]
        found = cv2.estimateAffine2D(index_xy, query_xy, settings)[0]
    except cv2.error:  # a degenerate set, such as points that all coincide
        return None
    return None if found is None else np.vstack([found, [0, 0, 1]])


def _paper(query_xy: np.ndarray, index_xy: np.ndarray, threshold: float, max_iterations: int,
           seed: int) -> np.ndarray | None:
    """Affine RANSAC of scikit-image, as in DELG's reference implementation."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns when no sample gives a model
        found, _ = measure.ransac((index_xy, query_xy), geometry.AffineTransform, min_samples=3,
                                  residual_threshold=threshold, max_trials=max_iterations,
                                  rng=np.random.default_rng(seed))
    return None if found is None else found.params


def _checked(name: str, scales: np.ndarray | None, num_matches: int) -> np.ndarray:
    scales = np.ones(num_matches) if scales is None else np.asarray(scales, np.float64)
    if scales.shape != (num_matches,) or not np.all((scales > 0) & np.isfinite(scales)):
        raise ValueError(f"`{name}` must be one positive number per match, {num_matches} here. "
                         f"Received: shape {scales.shape}, least {scales.min(initial=np.inf):g}.")
    return scales


def verify_matches(query_yx: np.ndarray, index_yx: np.ndarray, verifier: str = "usac",
                   transform: str = "homography", threshold: float = 20.0, max_iterations: int = 1000,
                   seed: int = 0, query_scales: np.ndarray | None = None,
                   index_scales: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The transform most matches agree on, and which do; equal input and seed give equal output.

    - `usac`: homography (4 points) or affine; implausible transforms count as none.
    - `scale`: the same transforms, grown from single matches and their keypoint scales; nothing is sampled,
      and the images must be about upright. Implausible transforms count as none.
    - `paper`: affine, whatever `transform` says, without a check of plausibility.

    Args:
        query_yx: float, [k, 2], pixels of the query; row i matches row i of `index_yx`, best match first.
        index_yx: float, [k, 2], pixels of the index image.
        verifier: one of VERIFIERS.
        transform: one of TRANSFORMS.
        threshold: pixels of the query; the largest distance of an inlier from its mapped partner.
        max_iterations: samples tried; `scale` takes none.
        seed: of the sampling.
        query_scales: float, [k], positive, sizes of the query's keypoints, for `scale`; None: all equal.
        index_scales: float, [k], positive, sizes of the index image's keypoints in the same unit.

    Returns:
        transform: float64, [3, 3], from index (x, y, 1) to the query; all NaN when none was found.
        inliers: bool, [k]; all False when none was found, or with fewer matches than a sample takes.

    Raises:
        ValueError: if an argument is not one of those named, or a scale that `scale` uses is not positive.
    """
    if verifier not in VERIFIERS or transform not in TRANSFORMS:
        raise ValueError(f"`verifier` must be one of {', '.join(VERIFIERS)} and `transform` one of "
                         f"{', '.join(TRANSFORMS)}. "
                         f"Received: verifier={verifier!r}, transform={transform!r}.")
    if verifier == "scale":
        query_scales = _checked("query_scales", query_scales, len(query_yx))
        index_scales = _checked("index_scales", index_scales, len(query_yx))
    # The reference asks for four matches though an affine sample takes three.
    none = np.full((3, 3), np.nan), np.zeros(len(query_yx), bool)
    if len(query_yx) < 4 - (verifier != "paper" and transform == "affine"):
        return none
    query_xy = np.ascontiguousarray(query_yx[:, ::-1], np.float64)
    index_xy = np.ascontiguousarray(index_yx[:, ::-1], np.float64)
    if verifier == "scale":
        found = scale.find_transform(query_xy, index_xy, query_scales, index_scales, transform,
                                                  threshold)
    elif verifier == "usac":
        found = _usac(query_xy, index_xy, transform, threshold, max_iterations, seed)
    else:
        found = _paper(query_xy, index_xy, threshold, max_iterations, seed)
    if found is None:
        return none
    if index_xy.mean(axis=0) @ found[2, :2] + found[2, 2] < 0:
        found = -found  # the same transform; depth is positive where the matches are
    inliers = np.linalg.norm(project(found, index_xy) - query_xy, axis=1) <= threshold
    if not inliers.any() or (verifier != "paper" and not is_plausible(found, index_xy[inliers])):
        return none
    return found, inliers


def log_inlier_ratio(num_inliers: np.ndarray, min_inliers: int) -> np.ndarray:
    """log(inliers / floor), 0 up to the floor: float64, shaped as `num_inliers`; a floor of 0 counts as 1."""
    floor = max(1, min_inliers)
    return np.log(np.maximum(num_inliers, floor) / floor)


def verified_scores(similarities: np.ndarray, num_inliers: np.ndarray, min_inliers: int,
                    inlier_weight: float = 0.2, final_order: str = "fused") -> np.ndarray:
    """What the verified results are sorted by, largest first.

    Inliers up to `min_inliers` count as none, since chance brings a few to any pair: without the floor,
    verification makes a good global ranking worse.

    - `fused`: similarity + weight * log(inliers / floor) above the floor: each doubling adds the same
      (chosen; on real photographs a sum that starts at the floor beats both the order by inliers and a sum
      of log(1 + inliers)).
    - `inliers`: by inliers, ties by similarity, as in DELG's reference implementation.

    Args:
        similarities: float, [..., V], cosines in [-1, 1].
        num_inliers: int, [..., V], at least 0.
        min_inliers: the floor; 0 is taken as 1.
        inlier_weight: for `fused`; 0: the similarities as they are.
        final_order: "fused" or "inliers".

    Returns:
        float64, [..., V].
    """
    similarities = np.asarray(similarities, np.float64)
    if final_order == "fused":
        return similarities + inlier_weight * log_inlier_ratio(num_inliers, min_inliers)
    inliers = np.asarray(num_inliers, np.float64)
    return np.where(inliers >= min_inliers, inliers, 0) + similarities / 4  # less than half an inlier


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
