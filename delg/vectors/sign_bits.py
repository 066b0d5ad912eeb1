"""Bits of vectors, eight to a byte: the first in the highest bit, zeros fill the last byte."""

from __future__ import annotations

import numpy as np


def pack(bits: np.ndarray, multiple: int = 1) -> np.ndarray:
    """Bits as bytes.

    Args:
        bits: bool or 0 and 1, [n, K]; such as `vectors > 0`.
        multiple: bytes of a row are a multiple of it, filled up with zeros.

    Returns:
        uint8, [n, num_bytes(K, multiple)].
    """
    packed = np.packbits(bits, axis=1)
    missing = num_bytes(bits.shape[1], multiple) - packed.shape[1]
    return np.pad(packed, ((0, 0), (0, missing))) if missing else packed


def num_bytes(num_bits: int, multiple: int = 1) -> int:
    """Bytes that `pack` gives for a number of bits."""
    return -(-num_bits // (8 * multiple)) * multiple


def unpack(packed: np.ndarray, num_bits: int) -> np.ndarray:
    """Bytes as bits: uint8 [n, B] to uint8 [n, num_bits] of 0 and 1; the inverse of `pack`."""
    return np.unpackbits(packed, axis=1, count=num_bits)


def signs(bits: np.ndarray) -> np.ndarray:
    """Bits 0 and 1 as float32 -1 and 1, of the same shape."""
    return 2 * bits.astype(np.float32) - 1
