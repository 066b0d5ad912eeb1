"""Vectors scaled to unit norm."""

from __future__ import annotations

import numpy as np

_LEAST_NORM = 1e-12  # divided by instead of smaller norms; chosen, far below that of any descriptor


def unit_vectors(vectors: np.ndarray) -> np.ndarray:
    """Vectors divided by their Euclidean norms; those of zeros stay zero.

    Args:
        vectors: float, [..., D].

    Returns:
        The same type and shape.
    """
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), _LEAST_NORM)


def finite_unit_vectors(vectors: np.ndarray, name: str) -> np.ndarray:
    """Vectors scaled to unit norm, those that have it left as they are, bit for bit.

    Args:
        vectors: float, [N, D].
        name: of the vectors, for the error.

    Returns:
        float32, [N, D], C-contiguous.

    Raises:
        ValueError: if a vector is zero or not finite.
    """
    vectors = np.ascontiguousarray(vectors, np.float32)
    norms = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))
    wrong = ~(np.isfinite(norms) & (norms > 0))
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(f"{name} must be finite and not zero. Received: norm {norms[row]} in row {row}.")
    scaled = np.abs(norms - 1) > 1e-5
    if scaled.any():
        vectors = vectors.copy()
        vectors[scaled] /= norms[scaled, None]
    return vectors
