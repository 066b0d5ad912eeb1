"""Signs of aggregated residuals, compared by the bits that differ: binary ASMK, 1/32 of the size."""

from __future__ import annotations

import numpy as np

from data_prep.stage.lazy_module import LazyModule
from delg.index.asmk.config import AsmkConfig
from delg.index.asmk.kernel import MatchKernel, selectivity
from delg.index.asmk.kind import AsmkKind
from delg.vectors import sign_bits

faiss = LazyModule("faiss")

_CODE_BYTES = 8  # codes are filled up with zeros to a multiple, as FAISS counts whole words


class SignKernel(MatchKernel):
    """Compares the signs of residuals: u = 1 - 2 h / d, h being the bits of d that differ.

    Source: ASMK*, see `kernel`.

    Args:
        alpha, threshold: of `selectivity`.
        dimension: d, of residuals.
    """

    dtype = "uint8"

    def __init__(self, alpha: float, threshold: float, dimension: int):
        products = 1 - 2 * np.arange(dimension + 1) / dimension
        self._of_distance = selectivity(products.astype(np.float32), alpha, threshold)
        self.width = sign_bits.num_bytes(dimension, _CODE_BYTES)

    @classmethod
    def of(cls, config: AsmkConfig, dimension: int) -> SignKernel:
        return cls(config.asmk_alpha, config.asmk_threshold, dimension)

    def encode(self, residuals: np.ndarray) -> np.ndarray:
        return sign_bits.pack(residuals > 0, _CODE_BYTES)

    def __call__(self, queries: np.ndarray, entries: np.ndarray) -> np.ndarray:
        distances = np.empty((len(queries), len(entries)), np.int32)
        faiss.hammings(faiss.swig_ptr(queries), faiss.swig_ptr(entries), *distances.shape, queries.shape[1],
                       faiss.swig_ptr(distances))
        return self._of_distance.take(distances, mode="clip")  # damaged codes differ in more bits


BINARY_ASMK = AsmkKind(kernel=SignKernel, descriptor_dtypes=("float32",))  # of signs there is one type
