"""Match kernels over aggregated local descriptors (numpy).

Every local descriptor belongs to its nearest codewords. The residuals of an image X at a codeword c are
summed and scaled to unit norm, u_c(X), or only their signs are kept. Images are compared word by word:

    K(X, Y) = sum_c w_c sigma(u_c(X) . u_c(Y)) / sqrt(sum_c w_c [c in X] * sum_c w_c [c in Y])

over the codewords that both have, so K(X, X) = 1. sigma(u) is sign(u) |u|^alpha above a threshold, else 0.
Weights w_c are 1, or squares of inverse document frequencies.
Source: Tolias, Avrithis and Jegou, "Image Search with Selective Match Kernels: Aggregation Across Single and
Multiple Images", IJCV 2016.
"""

from __future__ import annotations

import abc

import numpy as np

from delg.index.asmk.config import AsmkConfig


def selectivity(products: np.ndarray, alpha: float, threshold: float) -> np.ndarray:
    """sign(u) |u|^alpha of products u above the threshold, 0 of the others; float32, of the same shape."""
    powers = np.abs(products) ** np.float32(alpha)
    return np.where(products > threshold, np.copysign(powers, products), np.float32(0))


class MatchKernel(abc.ABC):
    """Compares the residuals of a codeword, as they are stored.

    Attributes:
        dtype: type of stored residuals.
        width: columns of stored residuals.
    """

    dtype: str
    width: int

    @classmethod
    @abc.abstractmethod
    def of(cls, config: AsmkConfig, dimension: int) -> MatchKernel:
        """The kernel that is configured, for residuals of a number of dimensions."""

    @abc.abstractmethod
    def encode(self, residuals: np.ndarray) -> np.ndarray:
        """Residuals float32 [W, d] as they are stored: `dtype` [W, `width`]."""

    @abc.abstractmethod
    def __call__(self, queries: np.ndarray, entries: np.ndarray) -> np.ndarray:
        """Selective similarities float32 [Q, E] of stored residuals [Q, width] and [E, width]."""
