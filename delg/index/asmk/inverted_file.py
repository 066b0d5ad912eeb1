"""Inverted file of aggregated local descriptors: which images have a codeword, and how they look there."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from delg.index.asmk.kernel import MatchKernel


@dataclasses.dataclass(frozen=True)
class InvertedFile:
    """The entries of n images, sorted by codeword, then image; arrays may be memory-mapped.

    Attributes:
        offsets: int64, [K + 1]; entries offsets[c]:offsets[c + 1] are those of codeword c.
        rows: int32, [E]; image of each entry, one entry per image and codeword.
        residuals: float32 or float16 [E, d], or codes uint8 [E, B].
        num_images: n.
    """

    offsets: np.ndarray
    rows: np.ndarray
    residuals: np.ndarray
    num_images: int

    @classmethod
    def of_images(cls, images: Sequence[tuple[np.ndarray, np.ndarray]], num_codewords: int) -> InvertedFile:
        """Of (words int [W], residuals or codes [W, .]) per image, at least one image."""
        words = np.concatenate([of_image for of_image, _ in images])
        rows = np.repeat(np.arange(len(images), dtype=np.int32), [len(of_image) for of_image, _ in images])
        residuals = np.concatenate([of_image for _, of_image in images])
        return cls.of_entries(words, rows, residuals, len(images), num_codewords)

    @classmethod
    def of_entries(cls, words: np.ndarray, rows: np.ndarray, residuals: np.ndarray, num_images: int,
                   num_codewords: int) -> InvertedFile:
        """Of entries in the order of their images: codewords int [E], rows int32 [E], residuals [E, .]."""
        order = np.argsort(words, kind="stable")
        counts = np.bincount(words, minlength=num_codewords)
        return cls(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), rows[order], residuals[order],
                   num_images)

    def entries_of(self, position_of: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Codewords int64 [E], positions int32 [E] and residuals [E, .] of the entries of some images.

        Args:
            position_of: int32, [n], the position of each image among these; -1: not one of them.
        """
        positions = position_of[self.rows]
        found = np.flatnonzero(positions >= 0)
        words = np.searchsorted(self.offsets, found, side="right") - 1
        return words, positions[found], self.residuals[found]

    def sum_weights(self, weights: np.ndarray) -> np.ndarray:
        """Sum of weights, float32 [K], over the codewords of each image: float32 [n]."""
        return np.bincount(self.rows, np.repeat(weights, np.diff(self.offsets)),
                           self.num_images).astype(np.float32)

    def add_similarities(self, queries: InvertedFile, kernel: MatchKernel, weights: np.ndarray,
                         scores: np.ndarray) -> None:
        """Adds the weighted similarities of all shared codewords to scores.

        One product of matrices a codeword, over all queries and images that have it.

        Args:
            queries: the same of q queries, its arrays in memory.
            kernel: compares residuals, or codes.
            weights: float32, [K].
            scores: float32, [q, n]; changed.
        """
        shared = np.flatnonzero((np.diff(queries.offsets) > 0) & (np.diff(self.offsets) > 0))
        for word in shared:
            asked = slice(*queries.offsets[word:word + 2])
            found = slice(*self.offsets[word:word + 2])
            similarities = kernel(queries.residuals[asked], self.residuals[found])
            scores[queries.rows[asked, None], self.rows[found]] += weights[word] * similarities
