"""Candidates by the Hamming distance between sign bits of centred descriptors.

    mean-<g>.npy, codes-<g>.npy    float32 [D], uint8 [n, B]
"""

from __future__ import annotations

import numpy as np

from data_prep.stage.lazy_module import LazyModule
from delg.index.candidates.kind import CandidateConfig, CandidateKind
from delg.index.files import IndexFiles, IndexWriter
from delg.index.searching import CandidateFinder
from delg.index.store import DescriptorStore
from delg.vectors import sign_bits

faiss = LazyModule("faiss")

_ROWS = 2**15  # descriptors turned into codes at once
_CODE_BYTES = 8  # codes are filled up with zeros to a multiple


class BinaryCodes(CandidateFinder):
    """One bit per dimension: whether the descriptor lies above the mean there.

    All codes are compared (faiss, exhaustive Hamming search), so what is found depends on the code alone.

    Args:
        mean: float32, [D].
        codes: uint8, [N, B], one row per place of the descriptor store.
    """

    def __init__(self, mean: np.ndarray, codes: np.ndarray):
        self.mean, self.codes = mean, codes

    @classmethod
    def train(cls, sample: np.ndarray, config: CandidateConfig | None = None) -> BinaryCodes:
        """No codes yet, and the mean of float32 [n, D]; there is nothing to configure."""
        mean = sample.mean(axis=0, dtype=np.float64).astype(np.float32)
        return cls(mean, np.empty((0, sign_bits.num_bytes(len(mean), _CODE_BYTES)), np.uint8))

    @property
    def num_places(self) -> int:
        return len(self.codes)

    def add(self, store: DescriptorStore) -> None:
        self.codes = np.concatenate([self.codes, *(self.encode(block) for _, block in store.blocks(_ROWS))])

    def encode(self, descriptors: np.ndarray) -> np.ndarray:
        """Codes of float32 [N, D] as uint8 [N, B]."""
        return sign_bits.pack(descriptors > self.mean, _CODE_BYTES)

    def candidates(self, queries: np.ndarray, num_candidates: int, kept: np.ndarray | None) -> np.ndarray:
        codes = self.codes if kept is None else self.codes[kept]
        _, found = faiss.knn_hamming(self.encode(queries), np.ascontiguousarray(codes), num_candidates)
        return found.astype(np.int64) if kept is None else kept[found]

    def write_codes(self, writer: IndexWriter) -> dict[str, str]:
        return {"codes": writer.write_array("codes", self.codes)}

    def write_learnt(self, writer: IndexWriter) -> dict[str, str]:
        return {"mean": writer.write_array("mean", self.mean)}

    @classmethod
    def load(cls, files: IndexFiles, config: CandidateConfig) -> BinaryCodes:
        return cls(files.read_array("mean"), files.read_array("codes"))


BINARY = CandidateKind(finder=BinaryCodes, stems=("descriptors", "mean", "codes"))
