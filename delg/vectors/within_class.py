"""The turn and scaling after which vectors of one class differ alike in every direction.

What light, weather and the place of the camera change in a global descriptor is much the same whatever is
shown: few directions, which can be turned down where photographs of one thing are known to be of one thing.
"""

from __future__ import annotations

import numpy as np

from delg.vectors.unit import unit_vectors

SHRINKAGE = 0.8  # of the covariance; chosen, see docs/decisions
NUM_DIRECTIONS = 32  # that are turned down; so chosen


def within_class_whitening(vectors: np.ndarray, labels: np.ndarray, shrinkage: float) -> np.ndarray:
    """The inverse root of how unit vectors of one class vary about their mean, near the identity.

    Directions in which photographs of one thing differ count less, the others more. Each class counts alike,
    however many vectors it has. The covariance is moved towards a multiple of the identity, so that a few
    classes decide little about many dimensions.
    Source: learnt whitening, https://arxiv.org/abs/1711.02512, section 3.3, without its turn and its cut to
    fewer dimensions; shrinkage: Ledoit and Wolf, https://doi.org/10.1016/S0047-259X(03)00096-4, equation 14.

    Args:
        vectors: [n, c], of any length.
        labels: int, [n].
        shrinkage: share of the multiple of the identity, in (0, 1]; 1: nothing is learnt.

    Returns:
        float64, [c, c], symmetric; vectors as rows are multiplied by it from the right.

    Raises:
        ValueError: no class has two vectors that differ.
    """
    unit = unit_vectors(np.asarray(vectors, np.float64))
    _, classes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    sums = np.zeros((len(counts), unit.shape[1]))
    np.add.at(sums, classes, unit)
    differences = (unit - (sums / counts[:, None])[classes]) / np.sqrt(counts[classes, None])
    covariance = differences.T @ differences
    scale = np.trace(covariance) / len(covariance)
    if not scale > 1e-12:
        raise ValueError("A whitening within classes needs a class with two images that differ. Received: "
                         f"{len(unit)} images of {len(counts)} classes.")
    variances, directions = np.linalg.eigh((1 - shrinkage) / scale * covariance
                                           + shrinkage * np.eye(len(covariance)))
    return directions / np.sqrt(variances) @ directions.T


def learn_whitening(vectors: np.ndarray, labels: np.ndarray, shrinkage: float = SHRINKAGE,
                    num_directions: int = NUM_DIRECTIONS) -> tuple[np.ndarray, np.ndarray]:
    """The directions in which a whitening within classes does most, and what it does there.

    Args:
        vectors: float, [n, c]; global descriptors.
        labels: int, [n]; what they are of.
        shrinkage: as of `within_class_whitening`.
        num_directions: k, or c where this is less.

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
