"""Quantisation of stored local descriptors: numbers of 32, 16 or 8 bits, or one bit a dimension.

    float32, float16   the unit vector
    int8               the vector times 127 / its largest entry, rounded; lengths of the vectors need not be
                       stored, since readers scale to unit norm
    binary             1 where an entry is above 0, else 0; eight to a byte, the first in its highest bit, and
                       zeros to fill the last byte; read as the unit vector of entries +a and -a

Whatever is stored, matching sees float32 unit vectors. Between binary descriptors their cosine is
1 - 2 h / d for a Hamming distance h of d bits, so nearest neighbours are those of Hamming space.
"""

from __future__ import annotations

import numpy as np

from delg.settings.extraction import LOCAL_DTYPES
from delg.vectors import sign_bits
from delg.vectors.unit import unit_vectors

_LARGEST = 127  # of int8, on both sides of 0


def stored_dtype(local_dtype: str) -> np.dtype:
    """Type of the array that holds descriptors. Raises ValueError for what is not in LOCAL_DTYPES."""
    if local_dtype not in LOCAL_DTYPES:
        raise ValueError(f"`local_dtype` must be one of {', '.join(LOCAL_DTYPES)}. "
                         f"Received: local_dtype={local_dtype!r}.")
    return np.dtype("uint8" if local_dtype == "binary" else local_dtype)


def num_columns(dim: int, dtype: np.dtype) -> int:
    """Columns of an array that holds descriptors of `dim` dimensions as `dtype`."""
    return sign_bits.num_bytes(dim) if dtype == np.uint8 else dim


def encode(descriptors: np.ndarray, local_dtype: str) -> np.ndarray:
    """Descriptors as they are stored.

    Args:
        descriptors: float, [n, d], finite.
        local_dtype: one of LOCAL_DTYPES.

    Returns:
        [n, c], with c of `num_columns`, of `stored_dtype`.

    Source: sign bits, binary_local_features of the reference's measure_latency tool.
    """
    if local_dtype == "binary":
        return sign_bits.pack(np.asarray(descriptors) > 0)
    if local_dtype == "int8":
        largest = np.abs(descriptors).max(axis=1, keepdims=True, initial=0)
        return np.rint(descriptors * (_LARGEST / np.maximum(largest, 1e-12))).astype(np.int8)
    return np.asarray(descriptors, stored_dtype(local_dtype))


def decode(stored: np.ndarray, dim: int) -> np.ndarray:
    """Unit vectors from what `encode` gave.

    Args:
        stored: [n, c]; uint8 means packed bits.
        dim: d, dimensions of the descriptors.

    Returns:
        float32, [n, d], unit norm; a descriptor of zeros stays zero.
    """
    if stored.dtype == np.uint8:
        return sign_bits.signs(sign_bits.unpack(stored, dim)) / np.float32(np.sqrt(dim))
    return unit_vectors(stored.astype(np.float32))
