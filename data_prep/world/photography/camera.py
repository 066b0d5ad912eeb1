"""Pinhole cameras in a left-handed world (x right, y up, z away) and the homographies of planes they see."""

from __future__ import annotations

import dataclasses

import numpy as np

NEAR = 0.4  # metres; nothing nearer is drawn


@dataclasses.dataclass(frozen=True)
class Camera:
    """A pinhole camera without distortion; pixel centres lie at whole numbers.

    Attributes:
        position: metres, float [3].
        rotation: float [3, 3], rows are the image's right, down and the viewing direction.
        focal: pixels.
        width, height: pixels.
    """

    position: np.ndarray
    rotation: np.ndarray
    focal: float
    width: int
    height: int

    @property
    def intrinsics(self) -> np.ndarray:
        """float64 [3, 3]."""
        return np.array([[self.focal, 0, (self.width - 1) / 2], [0, self.focal, (self.height - 1) / 2],
                         [0, 0, 1]])

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels (x, y) [n, 2] and depths [n] in metres of points [n, 3]; for depths above 0."""
        seen = (np.asarray(points) - self.position) @ self.rotation.T
        depth = np.where(np.abs(seen[:, 2]) < 1e-9, 1e-9, seen[:, 2])
        pixels = seen[:, :2] * self.focal / depth[:, None] + ((self.width - 1) / 2, (self.height - 1) / 2)
        return pixels, seen[:, 2]


def look_at(position, target, focal: float, width: int, height: int, roll: float = 0.0) -> Camera:
    """A camera at `position` that looks at `target` (metres, [3]), turned by `roll` radians."""
    position = np.asarray(position, np.float64)
    forward = np.asarray(target, np.float64) - position
    forward /= np.linalg.norm(forward)
    right = np.cross((0.0, 1.0, 0.0), forward)
    right /= np.linalg.norm(right)
    down = -np.cross(forward, right)
    cos, sin = np.cos(roll), np.sin(roll)
    rotation = np.stack([cos * right + sin * down, -sin * right + cos * down, forward])
    return Camera(position, rotation, focal, width, height)


def plane_homography(camera: Camera, origin, right, up) -> np.ndarray:
    """The 3x3 matrix from (u, v, 1), metres along `right` and `up` from `origin`, to pixels (x, y, 1)."""
    columns = np.stack([np.asarray(right), np.asarray(up), np.asarray(origin) - camera.position], -1)
    return camera.intrinsics @ camera.rotation @ columns


def clip_to_front(camera: Camera, corners: np.ndarray) -> np.ndarray:
    """Pixels (x, y) [m, 2] of the part of a convex polygon [n, 3] before the camera; m is 0 if none."""
    seen = (corners - camera.position) @ camera.rotation.T
    kept = []
    for here, there in zip(seen, np.roll(seen, -1, axis=0)):
        if here[2] >= NEAR:
            kept.append(here)
        if (here[2] >= NEAR) != (there[2] >= NEAR):
            part = (NEAR - here[2]) / (there[2] - here[2])
            kept.append(here + part * (there - here))
    if len(kept) < 3:
        return np.zeros((0, 2))
    kept = np.array(kept)
    return kept[:, :2] * camera.focal / kept[:, 2:] + ((camera.width - 1) / 2, (camera.height - 1) / 2)
