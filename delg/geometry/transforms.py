"""Transforms between two images: where they put points, and which of them a camera could have made (numpy).

A transform is a 3 x 3 float64 matrix from index pixels (x, y, 1) to query pixels; NaN where none was found.
"""

from __future__ import annotations

import dataclasses

import numpy as np

MAX_SCALE = 10.0  # of lengths, between the two images; chosen
MAX_STRETCH = 6.0  # longest over shortest image of a unit circle: a plane seen 80 degrees aslant; chosen
MAX_DEPTH_RATIO = 6.0  # farthest over nearest inlier of the plane; chosen


@dataclasses.dataclass(frozen=True)
class TransformKind:
    """A family of transforms.

    Source: Hartley and Zisserman, "Multiple View Geometry in Computer Vision", 2nd edition, section 2.4.

    Attributes:
        sample_size: matches that determine one.
        is_projective: whether parallel lines may meet; otherwise the last row is (0, 0, 1).
    """

    sample_size: int
    is_projective: bool


HOMOGRAPHY = TransformKind(sample_size=4, is_projective=True)
AFFINE = TransformKind(sample_size=3, is_projective=False)


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
