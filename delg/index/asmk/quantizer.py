"""Codewords: learnt from local descriptors, and an image's residuals aggregated at each of them (FAISS)."""

from __future__ import annotations

import numpy as np

from data_prep.stage.lazy_module import LazyModule
from delg.index.asmk.kernel import MatchKernel

faiss = LazyModule("faiss")

_ITERATIONS = 25  # of k-means; chosen


def train_codebook(descriptors: np.ndarray, num_codewords: int, seed: int) -> np.ndarray:
    """Centres of a k-means clustering by Euclidean distance.

    Args:
        descriptors: float32, [n, d].
        num_codewords: K, at most n.
        seed: of the first centres.

    Returns:
        float32, [K, d].

    Raises:
        ValueError: if there are fewer descriptors than codewords.
    """
    if len(descriptors) < num_codewords:
        raise ValueError("`num_codewords` must be at most the number of training descriptors. "
                         f"Received: num_codewords={num_codewords}, {len(descriptors)} descriptors.")
    clustering = faiss.Kmeans(descriptors.shape[1], num_codewords, niter=_ITERATIONS, seed=seed,
                              min_points_per_centroid=1, max_points_per_centroid=len(descriptors))
    clustering.train(np.ascontiguousarray(descriptors, np.float32))
    return clustering.centroids.copy()


def quantize(descriptors: np.ndarray, codebook: np.ndarray, num_assignments: int = 1) -> np.ndarray:
    """Nearest codewords, int64 [n, min(num_assignments, K)], of descriptors float32 [n, d], nearest first."""
    return faiss.knn(descriptors, codebook, min(num_assignments, len(codebook)))[1]


def aggregate(descriptors: np.ndarray, codebook: np.ndarray,
              num_assignments: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """One image's residuals, summed at each codeword and scaled to unit norm.

    Source: Tolias et al., "Image Search with Selective Match Kernels", IJCV 2016 (ASMK; several codewords for
    the descriptors of a query).

    Args:
        descriptors: float32, [n, d], of one image.
        codebook: float32, [K, d].
        num_assignments: nearest codewords each descriptor belongs to.

    Returns:
        words: int32, [W], increasing; codewords with residuals whose sum is not zero.
        residuals: float32, [W, d], unit norm.
    """
    descriptors = np.ascontiguousarray(descriptors, np.float32).reshape(-1, codebook.shape[1])
    if not len(descriptors):
        return np.empty(0, np.int32), descriptors
    nearest = quantize(descriptors, codebook, num_assignments)
    order = np.argsort(nearest, axis=None, kind="stable")
    words, starts = np.unique(nearest.ravel()[order], return_index=True)
    residuals = np.add.reduceat(descriptors[order // nearest.shape[1]] - codebook[nearest.ravel()[order]],
                                starts, axis=0)
    norms = np.linalg.norm(residuals, axis=1)
    kept = norms > 1e-6  # of one descriptor in its centre only rounding is left
    return words[kept].astype(np.int32), residuals[kept] / norms[kept, None]


class Quantizer:
    """Aggregates the local descriptors of an image into the entries of an inverted file.

    Args:
        codebook: float32, [K, d].
        kernel: says how residuals are stored.
        num_assignments: codewords that a query's descriptor belongs to.
    """

    def __init__(self, codebook: np.ndarray, kernel: MatchKernel, num_assignments: int = 1):
        self.codebook, self.kernel, self._num_assignments = codebook, kernel, num_assignments

    def aggregate_image(self, descriptors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Codewords int32 [W] and stored residuals [W, .] of descriptors float32 [n, d]."""
        words, residuals = aggregate(descriptors, self.codebook)
        return words, self.kernel.encode(residuals)

    def aggregate_query(self, descriptors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same of a query, whose descriptors belong to several codewords each."""
        words, residuals = aggregate(descriptors, self.codebook, self._num_assignments)
        return words, self.kernel.encode(residuals)
