"""The nearest of many binary codes by comparing with every one, a few queries at a time in registers.

Four bits of a code are one number of a product quantiser whose 16 centroids are the corners of a cube, so its
squared distances are four times the Hamming distance. FAISS looks them up in tables of 8 bits, 32 codes at a
time ("fast scan"), and reads the codes once for eight queries: more than twice as fast as counting bits.

The rounding of the tables does no harm. The squared distances 0, 4, 8, 12, 16 of four bits become 0, 64, 128,
191, 255, where 63.75 per bit are meant: each is between 0.25 too low and 0.5 too high. They are summed in 16
bits. Over at most 62 such numbers the sum errs by less than half of 63.75, so rounding it gives the Hamming
distance, and a nearer code never seems as far as a farther one.
"""

from __future__ import annotations

import numpy as np

from data_prep.stage.lazy_module import LazyModule
from delg.vectors import sign_bits

faiss = LazyModule("faiss")

_LARGEST_CODE_SIZE = 248  # bits: 62 numbers of four, see above
_CODES_PER_BLOCK = 32  # codes in a register; 64 and 96 were slower
_QUERIES_PER_PASS = 0x44  # FAISS reads it as 4 + 4: the fastest tried on ten million codes


class HammingScan:
    """The nearest codes, exactly, by as many threads as FAISS has.

    Holds a copy of the codes in FAISS's order, made in less time than reading them from a file. Codes of more
    than 248 bits are compared by counting.

    Args:
        codes: uint8, [N, B]; packed bits in any order.
    """

    def __init__(self, codes: np.ndarray):
        code_size = 8 * codes.shape[1]
        self._tables = None
        if code_size > _LARGEST_CODE_SIZE:
            self._codes = codes
            return
        quantizer = faiss.IndexPQ(code_size, code_size // 4, 4)
        corners = np.unpackbits(np.arange(16, dtype=np.uint8)[:, None], axis=1, count=4, bitorder="little")
        faiss.copy_array_to_vector(np.tile(sign_bits.signs(corners).ravel(), code_size // 4),
                                   quantizer.pq.centroids)
        quantizer.is_trained = True
        faiss.copy_array_to_vector(codes.ravel(), quantizer.codes)  # its codes are our bytes
        quantizer.ntotal = len(codes)
        self._tables = faiss.IndexPQFastScan(quantizer, _CODES_PER_BLOCK)
        self._tables.qbs = _QUERIES_PER_PASS

    def search(self, queries: np.ndarray, num_neighbors: int) -> tuple[np.ndarray, np.ndarray]:
        """The nearest codes of every query.

        Args:
            queries: uint8, [Q, B].
            num_neighbors: K, at most N.

        Returns:
            distances: int32, [Q, K], bits, ascending.
            rows: int64, [Q, K]; the order within a distance is left open.
        """
        if self._tables is None:
            return faiss.knn_hamming(queries, self._codes, num_neighbors, variant="mc")
        corners = sign_bits.signs(np.unpackbits(queries, axis=1, bitorder="little"))
        squared, rows = self._tables.search(corners, num_neighbors)
        return np.rint(squared / 4).astype(np.int32), rows
