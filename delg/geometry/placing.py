"""Where a box of the query lies in a hit: by the simplest transform that explains the inliers (numpy)."""

from __future__ import annotations

import numpy as np

from delg.geometry.transforms import is_plausible, project

_NUM_UNKNOWNS = (4, 6, 8)  # similarity, affine, homography
_NUM_ROUNDS = 5  # of least squares, each weighted by the errors of the one before; chosen
_NUM_DEPTH_ROUNDS = 4  # of those of a homography, by the depths; chosen
_LEAST_VARIANCE = 0.5  # pixels^2 of a coordinate: no keypoint is more exact; chosen


def simplest_transform(query_xy: np.ndarray, index_xy: np.ndarray, threshold: float,
                       corners_xy: np.ndarray) -> np.ndarray | None:
    """The similarity, affine transform or homography of the least BIC among those plausible all over a box.

    A homography fits the inliers best, but beyond them it may do anything: of few inliers, or in a scene
    that is no plane, a simpler transform goes on better. Each is
    fitted by least squares with Cauchy weights.
    Source: Schwarz, "Estimating the Dimension of a Model", 1978, for BIC, with the variance unknown and
    errors cut off at the threshold; Torr, "Geometric Motion Segmentation and Model Selection", 1998, for
    choosing between transforms of two views by such a criterion.

    Args:
        query_xy: float, [k, 2], pixels of the query; row i is an inlier with row i of `index_xy`.
        index_xy: float, [k, 2], pixels of the index image.
        threshold: pixels of the query, the largest error of an inlier.
        corners_xy: float, [n, 2], pixels of the query that are going to be mapped.

    Returns:
        float64, [3, 3], from query (x, y, 1) to index pixels; None where no transform is plausible, or there
        are fewer inliers than three.
    """
    query_xy, index_xy = np.asarray(query_xy, np.float64), np.asarray(index_xy, np.float64)
    best, least = None, np.inf
    if len(query_xy) < 3 or min(np.ptp(query_xy, axis=0).max(), np.ptp(index_xy, axis=0).max()) < 1:
        return None
    to_query, to_index = _centring(query_xy), _centring(index_xy)
    limit = threshold * to_query[0, 0] / to_index[0, 0]  # in pixels of the index image
    num_values = 2 * len(query_xy)
    for num_unknowns in _NUM_UNKNOWNS:
        if num_values <= num_unknowns:
            break
        fitted = _fit(project(to_query, query_xy), project(to_index, index_xy), num_unknowns)
        transform = np.linalg.inv(to_index) @ fitted @ to_query
        if not is_plausible(transform, corners_xy):
            continue
        errors = np.minimum(np.linalg.norm(project(transform, query_xy) - index_xy, axis=1), limit)
        variance = np.mean(errors**2) / 2 + _LEAST_VARIANCE
        criterion = num_values * np.log(variance) + num_unknowns * np.log(num_values)
        if criterion < least:
            best, least = transform, criterion
    return best


def place_box(box: np.ndarray, query_yx: np.ndarray, index_yx: np.ndarray, threshold: float,
              index_size: tuple[int, int]) -> np.ndarray | None:
    """Outline of the query's box in the index image, cut at its frame.

    Args:
        box: x1, y1, x2, y2, pixels of the query.
        query_yx, index_yx: float, [k, 2], pixels (y, x) of the inliers.
        threshold: pixels of the query, the largest error of an inlier.
        index_size: height and width of the index image, pixels.

    Returns:
        float64, [n, 2], (x, y) pixels of the index image, convex, n in 3..8; None where no plausible
        transform leaves anything of the box in the frame.
    """
    x1, y1, x2, y2 = (float(value) for value in box)
    corners = np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]])
    transform = simplest_transform(query_yx[:, ::-1], index_yx[:, ::-1], threshold, corners)
    if transform is None:
        return None
    outline = np.clip(_cut(project(transform, corners), *index_size), 0, index_size[::-1])  # rounding errors
    return outline if len(outline) and np.ptp(outline, axis=0).min() >= 1 else None


def bounds(outline_xy: np.ndarray) -> tuple[float, float, float, float]:
    """x1, y1, x2, y2 of the smallest upright box around float [n, 2] points (x, y)."""
    return (*outline_xy.min(axis=0).tolist(), *outline_xy.max(axis=0).tolist())


def _centring(points_xy: np.ndarray) -> np.ndarray:
    """[3, 3]: puts the mean at 0 and makes the spread 1; least squares need it (Hartley, 1997)."""
    x, y = points_xy.mean(axis=0)
    scale = 1 / np.sqrt(np.mean(np.var(points_xy, axis=0)))
    return np.array([[scale, 0, -scale * x], [0, scale, -scale * y], [0, 0, 1]])


def _fit(from_xy: np.ndarray, to_xy: np.ndarray, num_unknowns: int) -> np.ndarray:
    """[3, 3]: by least squares, weighted again and again so that errors far above the median count little.

    Source: Holland and Welsch, "Robust Regression Using Iteratively Reweighted Least-Squares", 1977, Cauchy
    weights.
    """
    weights = np.ones(len(from_xy))
    for _ in range(_NUM_ROUNDS):
        transform = _least_squares(from_xy, to_xy, num_unknowns, weights)
        errors = np.minimum(np.linalg.norm(project(transform, from_xy) - to_xy, axis=1), 1e6)
        weights = 1 / (1 + (errors / max(2 * np.median(errors), 1e-9))**2)
    return transform


def _least_squares(from_xy: np.ndarray, to_xy: np.ndarray, num_unknowns: int,
                   weights: np.ndarray) -> np.ndarray:
    (x, y), (u, v) = from_xy.T, to_xy.T
    one, zero = np.ones_like(x), np.zeros_like(x)
    if num_unknowns == 4:
        equations = np.vstack([np.stack([x, -y, one, zero], 1), np.stack([y, x, zero, one], 1)])
    else:
        equations = np.vstack([np.stack([x, y, one, zero, zero, zero, -u * x, -u * y], 1),
                               np.stack([zero, zero, zero, x, y, one, -v * x, -v * y], 1)])[:, :num_unknowns]
    depths = one
    for _ in range(_NUM_DEPTH_ROUNDS if num_unknowns == 8 else 1):
        factors = np.tile(np.sqrt(weights) / depths, 2)  # so that errors are those of projected points
        found = np.linalg.lstsq(equations * factors[:, None], np.concatenate([u, v]) * factors, rcond=None)[0]
        if num_unknowns == 4:
            found = found[[0, 1, 2, 1, 0, 3]] * (1, -1, 1, 1, 1, 1)
        transform = np.concatenate([found, np.zeros(8 - len(found)), [1]]).reshape(3, 3)
        depths = np.maximum(from_xy @ transform[2, :2] + 1, 0.1)
    return transform


def _cut(outline_xy: np.ndarray, height: int, width: int) -> np.ndarray:
    """What of a convex outline lies in the frame, side by side (Sutherland and Hodgman, 1974)."""
    for axis, limit, sign in ((0, 0, 1), (0, width, -1), (1, 0, 1), (1, height, -1)):
        depths = sign * (outline_xy[:, axis] - limit)
        kept = []
        for place, (point, depth) in enumerate(zip(outline_xy, depths)):
            before, depth_before = outline_xy[place - 1], depths[place - 1]
            if (depth >= 0) != (depth_before >= 0):
                kept.append(before + (point - before) * depth_before / (depth_before - depth))
            if depth >= 0:
                kept.append(point)
        outline_xy = np.array(kept).reshape(-1, 2)
    return outline_xy
