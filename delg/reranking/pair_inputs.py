"""What a re-ranker sees of two images: arrays of one size, from local features as they are stored."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from delg.features.shards import LocalFeatures

SIDES = ("query", "index")
_PARTS = ("descriptors", "places", "mask")


def input_specs(num_features: int, descriptor_dim: int) -> dict[str, tf.TensorSpec]:
    """Name of each input to its shape and type: for both SIDES

        SIDE_descriptors  [B, N, D]  float32, unit norm; zeros where there is no feature
        SIDE_places       [B, N, 3]  float32: y and x from the middle of the image, in halves of its longer
                                     side, and log2 of the feature's scale
        SIDE_mask         [B, N]     bool, True for features

    Args:
        num_features: N.
        descriptor_dim: D; 0: any.
    """
    return {f"{side}_{part}": tf.TensorSpec([None, num_features, *tail], dtype, f"{side}_{part}")
            for side in SIDES
            for part, tail, dtype in (("descriptors", [descriptor_dim or None], tf.float32),
                                      ("places", [3], tf.float32), ("mask", [], tf.bool))}


def image_places(local: LocalFeatures, image_size: Sequence[int]) -> np.ndarray:
    """Where features lie in their image, float32 [n, 3]; see `input_specs`.

    Args:
        local: features of an image.
        image_size: height and width of the original image, pixels.
    """
    middle, half = (np.asarray(image_size, np.float32) - 1) / 2, max(image_size) / 2
    return np.column_stack([(local.keypoints_yx - middle) / half, np.log2(local.scales)]).astype(np.float32)


def padded(descriptors: np.ndarray, places: np.ndarray,
           num_features: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Descriptors [N, D], places [N, 3] and mask [N] of the first `num_features` of n features."""
    count = min(len(descriptors), num_features)
    arrays = [np.zeros((num_features, rows.shape[1]), np.float32) for rows in (descriptors, places)]
    for array, rows in zip(arrays, (descriptors, places)):
        array[:count] = rows[:count]
    return (*arrays, np.arange(num_features) < count)


def side_inputs(images: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
                side: str) -> dict[str, np.ndarray]:
    """Inputs of one of SIDES for images as `padded` gives them."""
    return {f"{side}_{part}": np.stack(arrays) for part, arrays in zip(_PARTS, zip(*images))}
