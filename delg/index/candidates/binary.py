"""Candidates by the Hamming distance between sign bits of centred descriptors."""

from __future__ import annotations

import faiss
import numpy as np

from delg.index.store import DescriptorStore

_ROWS = 2**15  # descriptors turned into codes at once
_CODE_BYTES = 8  # codes are filled up with zeros to a multiple


class BinaryCodes:
    """One bit per dimension: whether the descriptor lies above the mean there.

    All codes are compared (faiss, exhaustive Hamming search), so what is found depends on the code alone.

    Args:
        mean: float32, [D].
        codes: uint8, [N, B], one row per place of the descriptor store.
    """

    def __init__(self, mean: np.ndarray, codes: np.ndarray):
        self.mean, self.codes = mean, codes

    @classmethod
    def train(cls, sample: np.ndarray) -> BinaryCodes:
        """No codes yet, and the mean of float32 [n, D]."""
        mean = sample.mean(axis=0, dtype=np.float64).astype(np.float32)
        return cls(mean, np.empty((0, -(-len(mean) // (8 * _CODE_BYTES)) * _CODE_BYTES), np.uint8))

    @property
    def num_places(self) -> int:
        return len(self.codes)

    def add(self, store: DescriptorStore) -> None:
        """Appends the codes of all rows of a store."""
        self.codes = np.concatenate([self.codes, *(self.encode(block) for _, block in store.blocks(_ROWS))])

    def encode(self, descriptors: np.ndarray) -> np.ndarray:
        """Codes of float32 [N, D] as uint8 [N, B]."""
        bits = np.packbits(descriptors > self.mean, axis=1)
        return np.pad(bits, ((0, 0), (0, self.codes.shape[1] - bits.shape[1])))

    def candidates(self, queries: np.ndarray, num_candidates: int, kept: np.ndarray | None) -> np.ndarray:
        """Places of the nearest codes.

        Args:
            queries: float32, [Q, D].
            num_candidates: C, at most the places that count.
            kept: int64, increasing; places that count. None: all.

        Returns:
            int64, [Q, C].
        """
        codes = self.codes if kept is None else self.codes[kept]
        _, found = faiss.knn_hamming(self.encode(queries), np.ascontiguousarray(codes), num_candidates)
        return found.astype(np.int64) if kept is None else kept[found]
