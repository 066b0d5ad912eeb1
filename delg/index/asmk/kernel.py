"""Match kernels over aggregated local descriptors: ASMK and its binary form (numpy, FAISS).

Every local descriptor belongs to its nearest codewords. The residuals of an image X at a codeword c are
summed and scaled to unit norm, u_c(X), or only their signs are kept. Images are compared word by word:

    K(X, Y) = sum_c w_c sigma(u_c(X) . u_c(Y)) / sqrt(sum_c w_c [c in X] * sum_c w_c [c in Y])

over the codewords that both have, so K(X, X) = 1. sigma(u) is sign(u) |u|^alpha above a threshold, else 0;
signs are compared by u = 1 - 2 h / d, h being the bits of d that differ. Weights w_c are 1, or squares of
inverse document frequencies.
Source: Tolias, Avrithis and Jegou, "Image Search with Selective Match Kernels: Aggregation Across Single and
Multiple Images", IJCV 2016.
"""

from __future__ import annotations

import faiss
import numpy as np

_CODE_BYTES = 8  # codes are filled up with zeros to a multiple, as FAISS counts whole words
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


def aggregate(descriptors: np.ndarray, codebook: np.ndarray,
              num_assignments: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """One image's residuals, summed at each codeword and scaled to unit norm.

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
    nearest = faiss.knn(descriptors, codebook, min(num_assignments, len(codebook)))[1]
    order = np.argsort(nearest, axis=None, kind="stable")
    words, starts = np.unique(nearest.ravel()[order], return_index=True)
    residuals = np.add.reduceat(descriptors[order // nearest.shape[1]] - codebook[nearest.ravel()[order]],
                                starts, axis=0)
    norms = np.linalg.norm(residuals, axis=1)
    kept = norms > 1e-6  # of one descriptor in its centre only rounding is left
    return words[kept].astype(np.int32), residuals[kept] / norms[kept, None]


def sign_codes(residuals: np.ndarray) -> np.ndarray:
    """Signs of float32 [W, d] as bits, uint8 [W, B], filled up with zeros."""
    bits = np.packbits(residuals > 0, axis=1)
    return np.pad(bits, ((0, 0), (0, -bits.shape[1] % _CODE_BYTES)))


def selectivity(products: np.ndarray, alpha: float, threshold: float) -> np.ndarray:
    """sign(u) |u|^alpha of products u above the threshold, 0 of the others; float32, of the same shape."""
    powers = np.abs(products) ** np.float32(alpha)
    return np.where(products > threshold, np.copysign(powers, products), np.float32(0))


class MatchKernel:
    """Compares the residuals, or codes, of a codeword.

    Args:
        alpha, threshold: of `selectivity`.
        num_bits: d of codes; 0: residuals are compared.
    """

    def __init__(self, alpha: float, threshold: float, num_bits: int = 0):
        self._alpha, self._threshold = alpha, threshold
        self._of_distance = None
        if num_bits:
            products = 1 - 2 * np.arange(num_bits + 1) / num_bits
            self._of_distance = selectivity(products.astype(np.float32), alpha, threshold)

    def __call__(self, queries: np.ndarray, entries: np.ndarray) -> np.ndarray:
        """Selective similarities float32 [Q, E] of residuals, float [., d], or codes, uint8 [., B]."""
        if self._of_distance is None:
            products = queries @ np.asarray(entries, np.float32).T
            return selectivity(products, self._alpha, self._threshold)
        distances = np.empty((len(queries), len(entries)), np.int32)
        faiss.hammings(faiss.swig_ptr(queries), faiss.swig_ptr(entries), *distances.shape, queries.shape[1],
                       faiss.swig_ptr(distances))
        return self._of_distance[distances]
