"""A whitening of global descriptors that comes with a backbone: few directions, turned down.

What light, weather and the place of the camera change in a global descriptor is much the same whatever is
shown. It can be learnt where photographs of one thing are known to be of one thing, as in a procedural world.
"""

from __future__ import annotations

import numpy as np

from delg.vectors.within_class import within_class_whitening

SHRINKAGE = 0.8  # of the covariance; chosen, see docs/decisions
NUM_DIRECTIONS = 32  # that are turned down; so chosen


def learn_whitening(vectors: np.ndarray, labels: np.ndarray, shrinkage: float = SHRINKAGE,
                    num_directions: int = NUM_DIRECTIONS) -> tuple[np.ndarray, np.ndarray]:
    """The directions in which a whitening within classes does most, and what it does there.

    Args:
        vectors: float, [n, c]; global descriptors.
        labels: int, [n]; what they are of.
        shrinkage: as of `within_class_whitening`.
        num_directions: k, at most c.

    Returns:
        directions: float64, [c, k], orthonormal columns.
        gains: float64, [k]; factors of these, against 1 in the usual direction.

    Raises:
        ValueError: no class has two vectors that differ.
    """
    gains, directions = np.linalg.eigh(within_class_whitening(vectors, labels, shrinkage))
    gains /= np.median(gains)
    strongest = np.argsort(-np.abs(gains - 1), kind="stable")[:num_directions]
    return directions[:, strongest], gains[strongest]


def kernel_of(directions: np.ndarray, gains: np.ndarray) -> np.ndarray:
    """The matrix [c, c] that multiplies these directions, [c, k], by the gains [k] and leaves all others."""
    return np.eye(len(directions)) + (directions * (gains - 1)) @ directions.T
