"""Feature shards of made-up landmarks, as many as are wanted: for benchmarks of searches.

Landmarks fall into categories. A global descriptor is 0.6 of its category, 0.6 of its landmark and 0.55 of
its own, normal vectors whose variance falls along the dimensions as 1 / (1 + i / 64), scaled to unit norm.
Two thirds of an image's local features are those of its landmark with noise on them (a cosine of 0.86),
their keypoints moved by a similarity transform; the others are of other landmarks, at random places.
"""

from __future__ import annotations

import json
import os

import numpy as np

from data_prep.stage import hdf5_files
from delg.features import shards

SHARD_IMAGES = 10_000
GLOBAL_DIM, LOCAL_DIM = 2048, 128
_POOL = 2**17  # local features that landmarks draw theirs from
_NOISE = 0.6  # norm of what is added to unit descriptors
_SIZE = (768, 1024)  # height and width of every image
_CONFIG = {"fingerprint": "made up", "global_scales": [1.0], "local_scales": [1.0]}


class Landmarks:
    """What images show.

    Args:
        num_landmarks: whose images are drawn with equal chances.
        num_features: local features of an image.
    """

    def __init__(self, num_landmarks: int, num_features: int):
        generator = np.random.default_rng(0)
        self._num_features = num_features
        self._deviations = ((1 + np.arange(GLOBAL_DIM) / 64) ** -0.5).astype(np.float32)
        num_categories = max(5, num_landmarks // 100)
        self._category_of = generator.integers(0, num_categories, num_landmarks)
        self._categories = generator.standard_normal((num_categories, GLOBAL_DIM), np.float32)
        self._landmarks = generator.standard_normal((num_landmarks, GLOBAL_DIM), np.float32)
        self._features, self._noise = (_unit(generator.standard_normal((_POOL, LOCAL_DIM), np.float32))
                                       for _ in range(2))
        self._keypoints = generator.random((_POOL, 2), np.float32) * np.array(_SIZE, np.float32)

    def write(self, path: str, number: int, num_images: int, prefix: str) -> None:
        """Writes a shard; the same number gives the same images."""
        generator = np.random.default_rng((1, number))
        shown = generator.integers(0, len(self._landmarks), num_images)
        with hdf5_files.writing(path) as writer:
            writer.write_array("global_descriptors", self._describe(shown, generator))
            writer.write_array("image_sizes", np.tile(np.array(_SIZE, np.int32), (num_images, 1)))
            descriptors, keypoints = self._local(shown, generator)
            writer.write_array("descriptors", descriptors)
            writer.file["descriptors"].attrs["dimension"] = LOCAL_DIM
            writer.write_array("keypoints_yx", keypoints)
            for name in ("scores", "scales"):
                writer.write_array(name, np.ones(len(keypoints), np.float32))
            writer.write_texts("ids", [f"{prefix}{number:04d}_{row:05d}" for row in range(num_images)])
            writer.write_array("offsets", np.arange(num_images + 1, dtype=np.int64) * self._num_features)
            writer.describe(config=json.dumps(_CONFIG), notes="{}", format=shards.FORMAT)

    def _describe(self, shown: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        own = generator.standard_normal((len(shown), GLOBAL_DIM), np.float32)
        own *= 0.55
        own += 0.6 * self._categories[self._category_of[shown]]
        own += 0.6 * self._landmarks[shown]
        return _unit(own * self._deviations)

    def _local(self, shown: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """float16 [n * num_features, d] and float32 [n * num_features, 2]."""
        shape = (len(shown), self._num_features)
        numbers = shown[:, None] * self._num_features + np.arange(self._num_features)
        drawn = (numbers * 2_654_435_761 >> 11) % _POOL  # Knuth's multiplicative hash
        clutter = generator.random(shape) < 1 / 3
        drawn[clutter] = generator.integers(0, _POOL, np.count_nonzero(clutter))
        angles, scales = generator.uniform(-0.3, 0.3, len(shown)), generator.uniform(0.8, 1.25, len(shown))
        turns = scales[:, None, None] * np.stack([np.stack([np.cos(angles), -np.sin(angles)], -1),
                                                  np.stack([np.sin(angles), np.cos(angles)], -1)], -2)
        keypoints = self._keypoints[drawn] @ turns.astype(np.float32).transpose(0, 2, 1)
        keypoints += generator.normal(0, 2, keypoints.shape)
        keypoints[clutter] = generator.random((np.count_nonzero(clutter), 2)) * np.array(_SIZE)
        descriptors = np.empty((drawn.size, LOCAL_DIM), np.float16)
        for first in range(0, drawn.size, 2**17):
            some = self._features[drawn.ravel()[first:first + 2**17]]
            some = some + _NOISE * self._noise[generator.integers(0, _POOL, len(some))]
            descriptors[first:first + len(some)] = _unit(some)
        return descriptors, keypoints.reshape(-1, 2).astype(np.float32)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def write_features(folder: str, num_images: int, num_queries: int, num_features: int) -> None:
    """Writes shards images-NNNN.h5 of SHARD_IMAGES each, and queries.h5; those that are there are kept."""
    landmarks = Landmarks(max(50, num_images // 20), num_features)
    wanted = [(f"images-{number:04d}.h5", number, min(SHARD_IMAGES, num_images - first), "i")
              for number, first in enumerate(range(0, num_images, SHARD_IMAGES))]
    for name, number, size, prefix in [*wanted, ("queries.h5", 9999, num_queries, "q")]:
        path = os.path.join(folder, name)
        if not os.path.exists(path):
            landmarks.write(path, number, size, prefix)
