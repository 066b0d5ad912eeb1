"""Principal components of vectors, and the projection that makes them vary alike."""

from __future__ import annotations

import numpy as np


def principal_components(vectors: np.ndarray,
                         num_components: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, directions of largest variance and the variances along them.

    Args:
        vectors: [n, c], n at least 2.
        num_components: k, at most c.

    Returns:
        float64 mean [c]; orthonormal columns [c, k], largest variance first, each with its largest entry
        positive; variances [k].

    Raises:
        ValueError: k is above c, or n is below 2.
    """
    vectors = np.asarray(vectors, np.float64)
    if len(vectors) < 2 or num_components > vectors.shape[1]:
        raise ValueError("Principal components need at least 2 vectors and at most as many components as "
                         f"channels. Received: {vectors.shape[0]} vectors of {vectors.shape[1]} channels, "
                         f"{num_components} components.")
    mean = vectors.mean(axis=0)
    covariance = np.cov(vectors, rowvar=False).reshape(vectors.shape[1], -1)
    variances, directions = _largest_eigenvectors(covariance, num_components)
    largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=0)[None], axis=0)
    return mean, directions * np.sign(largest), np.maximum(variances, 0.0)


def principal_directions(sample: np.ndarray, num_directions: int) -> np.ndarray:
    """Directions of largest variance to project many vectors to, in their own precision.

    Other than `principal_components` it sums in float32 where the sample is, and leaves the signs as they
    come: inner products of projected vectors do not depend on them.

    Args:
        sample: [n, c].
        num_directions: k; 0, or c and above: an identity.

    Returns:
        float32 [c, k], orthonormal columns, largest variance first.
    """
    dimension = sample.shape[1]
    if num_directions == 0 or num_directions >= dimension:
        return np.eye(dimension, dtype=np.float32)
    centred = sample - sample.mean(axis=0)
    _, directions = _largest_eigenvectors(centred.T @ centred, num_directions)
    return np.ascontiguousarray(directions, np.float32)


def _largest_eigenvectors(scatter: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues [count] and eigenvectors [c, count] of a symmetric matrix [c, c], largest first."""
    values, vectors = np.linalg.eigh(scatter)
    return values[::-1][:count], vectors[:, ::-1][:, :count]


def whitening_weights(vectors: np.ndarray, num_components: int, exponent: float = 0.5,
                      shrinkage: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Kernel and bias of a dense layer that centres, rotates to principal components and divides each of them
    by its deviation to a power.

    Few vectors say little of directions of small variance, so variances are drawn towards their mean first.
    Source: PCA-whitening of image descriptors, Jegou and Chum, ECCV 2012; exponent and shrinkage are chosen.

    Args:
        vectors: [n, c].
        num_components: k.
        exponent: 0 only rotates, 1 makes all deviations equal.
        shrinkage: 0 takes the variances as they are, 1 takes their mean for all; None: c / (c + n), chosen.

    Returns:
        float32 kernel [c, k], scaled so that the output varies as much as the k components do, and bias [k].
    """
    mean, directions, variances = principal_components(vectors, num_components)
    if shrinkage is None:
        shrinkage = vectors.shape[1] / (vectors.shape[1] + len(vectors))
    shrunk = (1 - shrinkage) * variances + shrinkage * variances.mean()
    divisors = np.maximum(shrunk, 1e-12) ** (exponent / 2)
    scale = np.sqrt(variances.sum() / max(np.sum(variances / divisors**2), 1e-24))
    kernel = directions / divisors * scale
    return kernel.astype(np.float32), (-mean @ kernel).astype(np.float32)
