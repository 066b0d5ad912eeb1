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
    variances, directions = np.linalg.eigh(covariance)
    directions = directions[:, ::-1][:, :num_components]
    largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=0)[None], axis=0)
    return mean, directions * np.sign(largest), np.maximum(variances[::-1][:num_components], 0.0)


def principal_directions(sample: np.ndarray, num_directions: int) -> np.ndarray:
    """Orthonormal float32 [D, d] of largest variance of float32 [n, D], largest first.

    An identity where `num_directions` is 0, or D and above.
    """
    dimension = sample.shape[1]
    if num_directions == 0 or num_directions >= dimension:
        return np.eye(dimension, dtype=np.float32)
    centred = sample - sample.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred)
    return np.ascontiguousarray(directions[:, ::-1][:, :num_directions], np.float32)


def whitening_weights(vectors: np.ndarray, num_components: int, exponent: float = 0.5,
                      shrinkage: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Kernel and bias of a dense layer that centres, rotates to principal components and divides each of them
    by its deviation to a power.

    Few vectors say little of directions of small variance, so variances are drawn towards their mean first.

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
