"""The transform of a pair from single matches: each, with its two keypoint scales, is a hypothesis (numpy).

Two keypoints that show the same spot of an upright scene give its shift and, by the ratio of their scales,
its magnification. So k matches give k hypotheses, all of which are counted; nothing is sampled.
Source: Philbin et al., "Object retrieval with large vocabularies and fast spatial matching", CVPR 2007,
section 3 (hypotheses from one correspondence, the best refined to an affine map by least squares).
"""

from __future__ import annotations

import numpy as np

from delg.geometry.transforms import TransformKind
from delg.geometry.verification import MatchedKeypoints, Verifier

MIN_INLIERS = 3  # what an affine map takes, at different places
_NUM_REFINED = (48, 8, 4)  # hypotheses refined to affine maps, then again, then to homographies; chosen
# Each fit is to the inliers of the one before, at first within so many thresholds, so that they may grow.
_MAX_RATIO_STEP = 0.75  # octaves between the scale ratios of a hypothesis and of its inliers; chosen
_HYPOTHESIS_GROWTH = 1.5  # keypoint scales are rough; chosen
_AFFINE_GROWTHS = ((1.5, 1.5, 1), (1, 1, 1))  # chosen
_HOMOGRAPHY_GROWTHS = (2, 1.5, 1, 1, 1)  # chosen
_MIN_DEPTH = 0.1  # in the weights of a homography's fit, where the middle of the matches has depth 1; chosen
_ENTRIES_PER_BLOCK = 1 << 16  # of the table of hypotheses x matches, few enough for the cache


def count_hypotheses(query_xy: np.ndarray, index_xy: np.ndarray, ratios: np.ndarray,
                     threshold: float) -> np.ndarray:
    """How many matches agree with the shift and magnification that each single match implies.

    They agree when they lie where it puts them and their own magnification is nearly the same.

    The squared error is a product of what the hypothesis and what the match contributes, so that the whole
    table is one matrix product: |r x + t - u|^2 = r^2 x.x + t.t + u.u + 2 r x.t - 2 r x.u - 2 t.u.

    Args:
        query_xy: float64, [k, 2], of order one, or digits are lost.
        index_xy: float64, [k, 2], the same.
        ratios: float64, [k], length in the query over length in the index image, of each match.
        threshold: in units of `query_xy`.

    Returns:
        int64, [k]; each match counts itself.
    """
    shifts = query_xy - ratios[:, None] * index_xy
    hypotheses = np.column_stack([ratios**2, np.sum(shifts**2, axis=1), np.ones(len(ratios)),
                                  2 * ratios[:, None] * shifts, -2 * ratios, -2 * shifts]).astype(np.float32)
    matches = np.column_stack([np.sum(index_xy**2, axis=1), np.ones(len(ratios)), np.sum(query_xy**2, axis=1),
                               index_xy, np.sum(index_xy * query_xy, axis=1), query_xy]).T.astype(np.float32)
    steps = np.log2(ratios).astype(np.float32)
    counts, num_rows = np.empty(len(ratios), np.int64), max(1, _ENTRIES_PER_BLOCK // len(ratios))
    for start in range(0, len(ratios), num_rows):
        rows = np.s_[start:start + num_rows]
        apart = np.abs(steps[rows, None] - steps)
        counts[rows] = np.count_nonzero((hypotheses[rows] @ matches <= np.float32(threshold**2))
                                        & (apart <= np.float32(_MAX_RATIO_STEP)), axis=1)
    return counts


def _affine_products(query_xy: np.ndarray, index_xy: np.ndarray) -> np.ndarray:
    """What each match adds to the normal equations of an affine map: [k, 12]."""
    return np.column_stack([np.ones(len(query_xy)), index_xy, query_xy, index_xy[:, :1] * index_xy,
                            index_xy[:, 1] ** 2, index_xy[:, :1] * query_xy, index_xy[:, 1:] * query_xy])


def _fit_affine(products: np.ndarray, inliers: np.ndarray, ratios: np.ndarray, strength: float) -> np.ndarray:
    """Affine maps [h, 2, 3] by least squares over inliers [h, k], drawn to its hypothesis' magnification.

    The pull, as of `strength` squared units of spread, decides while the inliers are few or close together;
    against many spread ones it is nothing.
    """
    sums = inliers.astype(np.float64) @ products
    total = np.maximum(sums[:, :1], 1)
    index_mean, query_mean = sums[:, 1:3] / total, sums[:, 3:5] / total
    (xx, xy, yy), (xu, xv, yu, yv) = sums[:, 5:8].T, sums[:, 8:].T
    (mx, my), (mu, mv), n = index_mean.T, query_mean.T, total[:, 0]
    xx, xy, yy = xx - n * mx * mx + strength, xy - n * mx * my, yy - n * my * my + strength
    xu, yu = xu - n * mx * mu + strength * ratios, yu - n * my * mu
    xv, yv = xv - n * mx * mv, yv - n * my * mv + strength * ratios
    determinant = xx * yy - xy * xy
    linear = np.stack([np.stack([yy * xu - xy * yu, xx * yu - xy * xu], axis=-1),
                       np.stack([yy * xv - xy * yv, xx * yv - xy * xv], axis=-1)],
                      axis=1) / determinant[:, None, None]
    shift = query_mean - np.einsum("hij,hj->hi", linear, index_mean)
    return np.concatenate([linear, shift[:, :, None]], axis=2)


def _homography_products(query_xy: np.ndarray, index_xy: np.ndarray) -> np.ndarray:
    """What each match adds to the normal equations of a homography: [k, 24]."""
    (x, y), (u, v), one = index_xy.T, query_xy.T, np.ones(len(query_xy))
    places = np.stack([x * x, x * y, x, y * y, y, one], axis=1)
    factors = np.stack([one, u, v, u * u + v * v], axis=1)
    return (factors[:, :, None] * places[:, None]).reshape(len(one), 24)


def _fit_homographies(products: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Homographies [h, 3, 3] by linear least squares with weights [h, k]; coordinates of order one."""
    symmetric = np.array([[0, 1, 2], [1, 3, 4], [2, 4, 5]])
    blocks = (weights @ products).reshape(-1, 4, 6)[:, :, symmetric]
    normal = np.zeros((len(weights), 9, 9))
    normal[:, :3, :3] = normal[:, 3:6, 3:6] = blocks[:, 0]
    normal[:, :3, 6:] = normal[:, 6:, :3] = -blocks[:, 1]
    normal[:, 3:6, 6:] = normal[:, 6:, 3:6] = -blocks[:, 2]
    normal[:, 6:, 6:] = blocks[:, 3]
    solved = np.linalg.solve(normal[:, :8, :8] + 1e-9 * np.eye(8), -normal[:, :8, 8:])[:, :, 0]
    return np.concatenate([solved, np.ones((len(solved), 1))], axis=1).reshape(-1, 3, 3)


def _inliers_of(transforms: np.ndarray, query_xy: np.ndarray, index_xy: np.ndarray, threshold: float,
                alike: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which matches, of those `alike` [h, k], agree with transforms [h, 2 or 3, 3]; and their depths: [h, k].

    A transform that shrinks puts many index keypoints on few query keypoints, where chance agrees more often;
    its threshold shrinks by the root of its magnification (chosen).
    """
    homogeneous = np.vstack([index_xy.T, np.ones(len(index_xy))])
    determinant = transforms[:, 0, 0] * transforms[:, 1, 1] - transforms[:, 0, 1] * transforms[:, 1, 0]
    threshold = threshold * np.minimum(1, np.abs(determinant) ** 0.25)[:, None]
    depth = transforms[:, 2] @ homogeneous if transforms.shape[1] == 3 else 1.0
    off_x = transforms[:, 0] @ homogeneous - query_xy[:, 0] * depth
    off_y = transforms[:, 1] @ homogeneous - query_xy[:, 1] * depth
    return alike & (off_x**2 + off_y**2 <= (threshold * depth) ** 2) & (depth > 0), depth


def _best_affine(query_xy: np.ndarray, index_xy: np.ndarray, ratios: np.ndarray,
                 threshold: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The affine maps [h, 2, 3] with the most inliers, best first; these, and what may be: bool [h, k]."""
    first = _HYPOTHESIS_GROWTH * threshold
    counts = count_hypotheses(query_xy, index_xy, ratios, first)
    chosen = np.argsort(-counts, kind="stable")[:_NUM_REFINED[0]]
    affine = np.zeros((len(chosen), 2, 3))
    affine[:, 0, 0] = affine[:, 1, 1] = ratios[chosen]
    affine[:, :, 2] = query_xy[chosen] - ratios[chosen, None] * index_xy[chosen]
    alike = np.abs(np.log2(ratios[chosen, None] / ratios)) <= _MAX_RATIO_STEP
    inliers, _ = _inliers_of(affine, query_xy, index_xy, first, alike)
    products = _affine_products(query_xy, index_xy)
    for growths, num_kept in zip(_AFFINE_GROWTHS, _NUM_REFINED[1:]):
        for growth in growths:
            affine = _fit_affine(products, inliers, ratios[chosen], threshold**2)
            inliers, _ = _inliers_of(affine, query_xy, index_xy, growth * threshold, alike)
        kept = np.argsort(-np.count_nonzero(inliers, axis=1), kind="stable")[:num_kept]
        affine, chosen, inliers, alike = affine[kept], chosen[kept], inliers[kept], alike[kept]
    return affine, inliers, alike


def _bent(query_xy: np.ndarray, index_xy: np.ndarray, transform: np.ndarray, inliers: np.ndarray,
          alike: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """The best homography grown from inliers [h, k], or `transform`, of the first, where none has more."""
    products, weights, most = _homography_products(query_xy, index_xy), inliers, inliers[0]
    for growth in _HOMOGRAPHY_GROWTHS:
        found = _fit_homographies(products, weights)
        inliers, depth = _inliers_of(found, query_xy, index_xy, growth * threshold, alike)
        weights = inliers / np.maximum(depth, _MIN_DEPTH) ** 2  # errors in pixels, not pixels x depth
        best = np.count_nonzero(inliers, axis=1).argmax()
        if growth == 1 and np.count_nonzero(inliers[best]) > np.count_nonzero(most):
            transform, most = found[best], inliers[best]
    return transform, most


def find_transform(matched: MatchedKeypoints, kind: TransformKind, threshold: float, max_iterations: int = 0,
                   seed: int = 0) -> np.ndarray | None:
    """The transform most matches agree on, from index to query: float64 [3, 3], or None.

    Every match is a hypothesis. Those with the most inliers are refined to affine maps, and for a homography
    the best of these are refined once more. None where fewer than MIN_INLIERS places agree.

    Args:
        matched: where the matches lie, and the scales of their keypoints.
        kind: homography or affine.
        threshold: pixels of the query; the largest distance of an inlier from its mapped partner.
        max_iterations, seed: not read, as nothing is sampled.
    """
    query_xy, index_xy = matched.query_xy, matched.index_xy
    if len(query_xy) < MIN_INLIERS:
        return None
    query_centre, index_centre = query_xy.mean(axis=0), index_xy.mean(axis=0)
    query_xy, index_xy = query_xy - query_centre, index_xy - index_centre
    unit = max(np.abs(query_xy).max(), np.abs(index_xy).max(), threshold)  # coordinates of order one
    query_xy, index_xy = query_xy / unit, index_xy / unit
    ratios = matched.query_scales / matched.index_scales
    affine, inliers, alike = _best_affine(query_xy, index_xy, ratios, threshold / unit)
    best, agreeing = np.vstack([affine[0], [0, 0, 1]]), inliers[0]
    if kind.is_projective and np.count_nonzero(agreeing) > kind.sample_size:
        best, agreeing = _bent(query_xy, index_xy, best, inliers, alike, threshold / unit)
    for places_xy in (query_xy[agreeing], index_xy[agreeing]):
        if len(np.unique(places_xy @ [1, 1j])) < MIN_INLIERS:
            return None
    to_unit = np.array([[1 / unit, 0, -index_centre[0] / unit], [0, 1 / unit, -index_centre[1] / unit],
                        [0, 0, 1]])
    from_unit = np.array([[unit, 0, query_centre[0]], [0, unit, query_centre[1]], [0, 0, 1]])
    return from_unit @ best @ to_unit


SCALE = Verifier(find_transform, uses_scales=True)
