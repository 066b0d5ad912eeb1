"""Aggregated residuals as they are, compared by their cosine: ASMK."""

from __future__ import annotations

import numpy as np

from delg.index.asmk.config import AsmkConfig
from delg.index.asmk.kernel import MatchKernel, selectivity
from delg.index.asmk.kind import AsmkKind


class ResidualKernel(MatchKernel):
    """Compares unit residuals by the selectivity of their cosine. Source: ASMK, see `kernel`.

    Args:
        alpha, threshold: of `selectivity`.
        dimension: of residuals.
        dtype: as stored, float32 or float16.
    """

    def __init__(self, alpha: float, threshold: float, dimension: int, dtype: str = "float32"):
        self._alpha, self._threshold, self.width, self.dtype = alpha, threshold, dimension, dtype

    @classmethod
    def of(cls, config: AsmkConfig, dimension: int) -> ResidualKernel:
        return cls(config.asmk_alpha, config.asmk_threshold, dimension, config.descriptor_dtype)

    def encode(self, residuals: np.ndarray) -> np.ndarray:
        return residuals.astype(self.dtype)

    def __call__(self, queries: np.ndarray, entries: np.ndarray) -> np.ndarray:
        products = queries @ np.asarray(entries, np.float32).T
        return selectivity(products, self._alpha, self._threshold)


ASMK = AsmkKind(kernel=ResidualKernel)
