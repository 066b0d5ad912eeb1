"""Codewords: learnt from local descriptors, and an image's residuals aggregated at each of them (FAISS)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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

    One product of matrices a cell, over all descriptors that are near it: the more at once, the faster.

    Args:
        codebook: float32, [K, d].
        cells: float32, [C, d].
    """

    def __init__(self, codebook: np.ndarray, cells: np.ndarray):
        self._cells = cells
        cell_of = quantize(codebook, cells)[:, 0]
        self._words = np.argsort(cell_of, kind="stable")  # cell by cell
        self._codewords = codebook[self._words]
        self._starts = np.searchsorted(cell_of[self._words], np.arange(len(cells) + 1))

    def __call__(self, descriptors: np.ndarray, codebook: np.ndarray, num_assignments: int = 1) -> np.ndarray:
        wanted = min(num_assignments, len(codebook))
        probed = quantize(descriptors, self._cells, _PROBED_CELLS)
        distances = np.full((probed.size, wanted), np.inf, np.float32)
        words = np.full((probed.size, wanted), -1, np.int64)
        order = np.argsort(probed, axis=None, kind="stable")
        bounds = np.searchsorted(probed.ravel()[order], np.arange(len(self._cells) + 1))
        for cell in np.flatnonzero(np.diff(bounds) * np.diff(self._starts)):
            asked, members = order[slice(*bounds[cell:cell + 2])], slice(*self._starts[cell:cell + 2])
            found = faiss.knn(descriptors[asked // probed.shape[1]], self._codewords[members],
                              int(min(wanted, members.stop - members.start)))
            distances[asked, :found[0].shape[1]] = found[0]
            words[asked, :found[0].shape[1]] = self._words[members][found[1]]
        distances, words = (array.reshape(len(descriptors), -1) for array in (distances, words))
        words = np.take_along_axis(words, np.argsort(distances, axis=1, kind="stable")[:, :wanted], axis=1)
        too_few = (words < 0).any(axis=1)  # codewords in the cells looked through
        if too_few.any():
            words[too_few] = quantize(descriptors[too_few], codebook, num_assignments)
        return words


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
    return _sum_residuals(descriptors, codebook, find_nearest(descriptors, codebook, num_assignments))


def _sum_residuals(descriptors: np.ndarray, codebook: np.ndarray,
                   nearest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What `aggregate` gives, of at least one descriptor whose codewords int64 [n, .] are known."""
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

    def aggregate_images(self, images: Sequence[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
        """`aggregate_image` of several, whose codewords are found at once where there are cells."""
        if self._find_nearest is quantize or not sum(map(len, images)):
            return [self.aggregate_image(descriptors) for descriptors in images]
        together = np.concatenate([of_image.reshape(-1, self.codebook.shape[1]) for of_image in images])
        together = np.ascontiguousarray(together, np.float32)
        nearest = self._find_nearest(together, self.codebook)
        bounds = np.cumsum([0, *map(len, images)])
        found = []
        for first, last in zip(bounds, bounds[1:]):
            words, residuals = (_sum_residuals(together[first:last], self.codebook, nearest[first:last])
                                if last > first else aggregate(together[:0], self.codebook))
            found.append((words, self.kernel.encode(residuals)))
        return found

    def aggregate_query(self, descriptors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same of a query, whose descriptors belong to several codewords each."""
        words, residuals = aggregate(descriptors, self.codebook, self._num_assignments, self._find_nearest)
        return words, self.kernel.encode(residuals)
