"""Codewords: learnt from local descriptors, and an image's residuals aggregated at each of them (FAISS)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from data_prep.stage.lazy_module import LazyModule
from delg.index.asmk.kernel import MatchKernel

faiss = LazyModule("faiss")

_ITERATIONS = 25  # of k-means; chosen
_MOST_PER_CODEWORD = 128  # training descriptors, by chance of more; chosen
_MOST_WITHOUT_CELLS = 1024  # codewords; chosen
_PROBED_CELLS = 8  # whose codewords a descriptor is compared with; chosen


def train_codebook(descriptors: np.ndarray, num_codewords: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Centres of a k-means clustering by Euclidean distance; of many, the centres of cells as well.

    Above 1024 codewords the descriptors are clustered into about sqrt(K) cells first, then those of each cell
    into its share of the codewords: for 65,536 from 2.6 million descriptors two hundredths of the work.
    Source: hierarchical k-means, Nister and Stewenius, "Scalable Recognition with a Vocabulary Tree", CVPR
    2006, of two levels.

    Args:
        descriptors: float32, [n, d].
        num_codewords: K, at most n.
        seed: of the first centres.

    Returns:
        codebook: float32, [K, d].
        cells: float32, [C, d]; C is 0 where the codewords were learnt at once.

    Raises:
        ValueError: if there are fewer descriptors than codewords.
    """
    if len(descriptors) < num_codewords:
        raise ValueError("`num_codewords` must be at most the number of training descriptors. "
                         f"Received: num_codewords={num_codewords}, {len(descriptors)} descriptors.")
    descriptors = np.ascontiguousarray(descriptors, np.float32)
    if num_codewords <= _MOST_WITHOUT_CELLS:
        return _centres(descriptors, num_codewords, seed), descriptors[:0]
    num_cells = round(num_codewords**0.5)
    cells = _centres(descriptors, num_cells, seed)
    nearest = faiss.knn(descriptors, cells, 1)[1][:, 0]
    order = np.argsort(nearest, kind="stable")
    members = np.split(order, np.searchsorted(nearest[order], np.arange(1, num_cells)))
    shares = _shares(np.array(list(map(len, members))), num_codewords)
    codebook = [_centres(descriptors[rows], share, seed) for rows, share in zip(members, shares) if share]
    return np.concatenate(codebook), cells


def _centres(descriptors: np.ndarray, num_centres: int, seed: int) -> np.ndarray:
    clustering = faiss.Kmeans(descriptors.shape[1], num_centres, niter=_ITERATIONS, seed=seed,
                              min_points_per_centroid=1, max_points_per_centroid=_MOST_PER_CODEWORD)
    clustering.train(descriptors)
    return clustering.centroids.copy()


def _shares(counts: np.ndarray, total: int) -> np.ndarray:
    """int64, of the sum `total`, at most `counts` each, in proportion to them."""
    wanted = total * counts / counts.sum()
    shares = np.floor(wanted).astype(np.int64)
    shares[np.argsort(shares - wanted, kind="stable")[:total - shares.sum()]] += 1
    return shares


def quantize(descriptors: np.ndarray, codebook: np.ndarray, num_assignments: int = 1) -> np.ndarray:
    """Nearest codewords, int64 [n, min(num_assignments, K)], of descriptors float32 [n, d], nearest first."""
    return faiss.knn(descriptors, codebook, min(num_assignments, len(codebook)))[1]


class CellQuantizer:
    """Nearest codewords as `quantize` finds them, but among those of the eight nearest cells.

    Args:
        codebook: float32, [K, d].
        cells: float32, [C, d].
    """

    def __init__(self, codebook: np.ndarray, cells: np.ndarray):
        self._cells = faiss.IndexFlatL2(cells.shape[1])
        self._cells.add(cells)
        self._lists = faiss.IndexIVFFlat(self._cells, cells.shape[1], len(cells))
        self._lists.nprobe = _PROBED_CELLS
        self._lists.is_trained = True
        self._lists.add(codebook)

    def __call__(self, descriptors: np.ndarray, codebook: np.ndarray, num_assignments: int = 1) -> np.ndarray:
        found = self._lists.search(descriptors, min(num_assignments, len(codebook)))[1]
        too_few = (found < 0).any(axis=1)  # codewords in the cells looked through
        if too_few.any():
            found[too_few] = quantize(descriptors[too_few], codebook, num_assignments)
        return found


def aggregate(descriptors: np.ndarray, codebook: np.ndarray, num_assignments: int = 1,
              find_nearest: Callable[..., np.ndarray] = quantize) -> tuple[np.ndarray, np.ndarray]:
    """One image's residuals, summed at each codeword and scaled to unit norm.

    Source: Tolias et al., "Image Search with Selective Match Kernels", IJCV 2016 (ASMK; several codewords for
    the descriptors of a query).

    Args:
        descriptors: float32, [n, d], of one image.
        codebook: float32, [K, d].
        num_assignments: nearest codewords each descriptor belongs to.
        find_nearest: finds them, as `quantize` does.

    Returns:
        words: int32, [W], increasing; codewords with residuals whose sum is not zero.
        residuals: float32, [W, d], unit norm.
    """
    descriptors = np.ascontiguousarray(descriptors, np.float32).reshape(-1, codebook.shape[1])
    if not len(descriptors):
        return np.empty(0, np.int32), descriptors
    nearest = find_nearest(descriptors, codebook, num_assignments)
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
        cells: float32, [C, d], of `train_codebook`; C is 0 where codewords were learnt at once.
    """

    def __init__(self, codebook: np.ndarray, kernel: MatchKernel, num_assignments: int, cells: np.ndarray):
        self.codebook, self.kernel, self._num_assignments = codebook, kernel, num_assignments
        self._find_nearest = CellQuantizer(codebook, cells) if len(cells) else quantize

    def aggregate_image(self, descriptors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Codewords int32 [W] and stored residuals [W, .] of descriptors float32 [n, d]."""
        words, residuals = aggregate(descriptors, self.codebook, 1, self._find_nearest)
        return words, self.kernel.encode(residuals)

    def aggregate_query(self, descriptors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same of a query, whose descriptors belong to several codewords each."""
        words, residuals = aggregate(descriptors, self.codebook, self._num_assignments, self._find_nearest)
        return words, self.kernel.encode(residuals)
