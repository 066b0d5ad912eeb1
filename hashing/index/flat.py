"""Every code is compared: the true neighbours."""

from __future__ import annotations

import numpy as np

from delg.index.files import IndexFiles
from hashing.index.finder import CodeFinder, CommonConfig
from hashing.index.hamming_scan import HammingScan


class FlatFinder(CodeFinder):
    """Scans all codes; what it needs is made anew from them in less time than it would be read.

    Args:
        codes: uint8, [N, B].
    """

    def __init__(self, codes: np.ndarray):
        self._scan = HammingScan(codes)

    @classmethod
    def train(cls, codes: np.ndarray, config: CommonConfig) -> FlatFinder:
        return cls(codes[:0])

    def add(self, codes: np.ndarray, num_known: int) -> None:
        self._scan = HammingScan(codes)  # of ten million codes within a second

    def search(self, queries: np.ndarray, num_neighbors: int) -> tuple[np.ndarray, np.ndarray]:
        return self._scan.search(queries, num_neighbors)

    @classmethod
    def load(cls, files: IndexFiles, codes: np.ndarray, config: CommonConfig) -> FlatFinder:
        return cls(codes)
