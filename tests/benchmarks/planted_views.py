"""Made-up local features: scenes, and views of them through known transforms."""

from __future__ import annotations

import cv2
import numpy as np

from delg.features.shards import LocalFeatures
from delg.geometry import transforms

SIZE = (768, 1024)  # of an image; height, width
NUM_FEATURES, DIMENSION = 1000, 128
SHARES = (0.1, 0.3, 0.6)  # of the features of a view that are of the scene


def make_features(points_xy: np.ndarray, descriptors: np.ndarray, scales: np.ndarray) -> LocalFeatures:
    """Features at points [n, 2], with descriptors [n, d] scaled to unit norm and scales [n]."""
    descriptors = descriptors / np.maximum(np.linalg.norm(descriptors, axis=1, keepdims=True), 1e-9)
    return LocalFeatures(points_xy[:, ::-1].astype(np.float32), descriptors.astype(np.float32),
                         np.ones(len(points_xy), np.float32), scales.astype(np.float32))


def _random_homography(generator: np.random.Generator) -> np.ndarray:
    height, width = SIZE
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    moved = corners + generator.uniform(-0.2, 0.2, (4, 2)).astype(np.float32) * width
    return cv2.getPerspectiveTransform(corners, moved)


def _random_similar(generator: np.random.Generator) -> np.ndarray:
    """Magnified, turned by up to 10 degrees, sheared and shifted a little about the image's centre."""
    angle = np.radians(generator.uniform(-10, 10))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    transform, centre = np.eye(3), np.array(SIZE[::-1]) / 2
    transform[:2, :2] = (2 ** generator.uniform(-1, 1)
                         * turn @ (np.eye(2) + generator.uniform(-0.15, 0.15, (2, 2))))
    transform[:2, 2] = centre + generator.uniform(-60, 60, 2) - transform[:2, :2] @ centre
    return transform


KINDS = {"homography": _random_homography, "similar": _random_similar}


def make_scene(generator: np.random.Generator, centres: np.ndarray) -> LocalFeatures:
    """NUM_FEATURES features all over an image; their descriptors lie around `centres`, [n, DIMENSION]."""
    descriptors = (centres[generator.integers(len(centres), size=NUM_FEATURES)]
                   + 0.9 * generator.normal(size=(NUM_FEATURES, DIMENSION)))
    return make_features(generator.uniform(0, SIZE[::-1], (NUM_FEATURES, 2)), descriptors,
                     2 ** (generator.integers(-2, 5, NUM_FEATURES) / 2))


def make_view(scene: LocalFeatures, transform: np.ndarray, share: float, centres: np.ndarray,
          generator: np.random.Generator) -> tuple[LocalFeatures, np.ndarray]:
    """Another image, and the row of the scene that each of its features shows, -1 where of elsewhere."""
    num_true, other = round(share * NUM_FEATURES), make_scene(generator, centres)
    chosen = generator.permutation(NUM_FEATURES)[:num_true]
    points, noise = scene.keypoints_yx[chosen, ::-1], generator.uniform(0.4, 2.2, (num_true, 1))
    depth = points @ transform[2, :2] + transform[2, 2]
    scales = scene.scales[chosen] * np.sqrt(np.abs(np.linalg.det(transform) / depth**3))
    steps = np.clip(np.round(2 * np.log2(scales) + generator.normal(0, 0.5, num_true)), -2, 4)
    norm = np.sqrt(DIMENSION * (1 + 0.9**2))  # of the descriptors before they were scaled to 1
    true = make_features(transforms.project(transform, points) + generator.normal(0, 2, (num_true, 2)),
                     norm * scene.descriptors[chosen] + noise * generator.normal(size=(num_true, DIMENSION)),
                     2 ** (steps / 2))
    order = generator.permutation(NUM_FEATURES)
    features = LocalFeatures(*(np.concatenate([getattr(true, name), getattr(other, name)[num_true:]])[order]
                               for name in ("keypoints_yx", "descriptors", "scores", "scales")))
    return features, np.concatenate([chosen, np.full(NUM_FEATURES - num_true, -1)])[order]
