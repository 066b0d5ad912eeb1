"""Generalised mean of vectors, which may be signed."""

from __future__ import annotations

import math

import numpy as np


def generalized_mean(vectors: np.ndarray, power: float) -> np.ndarray:
    """Generalised mean of each component over some vectors.

    It is (mean of (x - m)^p)^(1/p) + m, where m is the least number in any of them: the mean for p = 1; the
    larger p, the closer to the maximum.
    Source: SuperGlobal, https://arxiv.org/abs/2308.06954, Scale-GeM; its code has m, so that signed numbers
    have powers.

    Args:
        vectors: float, [N, D], N at least 1.
        power: p, at least 1; may be infinite.

    Returns:
        The same type, [D].
    """
    if power == 1:
        return vectors.mean(axis=0)
    if math.isinf(power):
        return vectors.max(axis=0)
    least = vectors.min()
    shifted = vectors - least
    peak = np.maximum(shifted.max(axis=0), np.finfo(vectors.dtype).tiny)  # so that no power vanishes
    return (peak * np.mean((shifted / peak) ** power, axis=0) ** (1 / power) + least).astype(vectors.dtype)
