"""The turn and scaling after which vectors of one class differ alike in every direction."""

from __future__ import annotations

import numpy as np

from delg.vectors.unit import unit_vectors


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
