"""Binary codes: bits from real values, packed bits, Hamming distances, and how well bits are used (numpy).

Bit k of a code stands in byte k // 8, highest bit first, as `numpy.packbits` has it; unused bits of the last
byte are 0. A value of exactly 0 gives the bit 1, so that every value has one code.
"""

from __future__ import annotations

import numpy as np

from delg.vectors import sign_bits


def binarize(values: np.ndarray) -> np.ndarray:
    """Bits of real-valued codes: 1 where a value is 0 or above.

    Args:
        values: float, [N, K].

    Returns:
        uint8, [N, K], 0 or 1.

    Raises:
        ValueError: if a value is not finite.
    """
    values = np.asarray(values)
    if not np.all(np.isfinite(values)):
        raise ValueError("`values` must be finite to be made into bits. Received: nan or inf.")
    return (values >= 0).astype(np.uint8)


def pack(bits: np.ndarray) -> np.ndarray:
    """Bits as bytes: uint8 [N, K] of 0 and 1 to uint8 [N, ceil(K / 8)]."""
    return sign_bits.pack(bits)


def unpack(packed: np.ndarray, code_size: int) -> np.ndarray:
    """Bytes as bits: uint8 [N, ceil(K / 8)] to uint8 [N, K] of 0 and 1.

    Raises:
        ValueError: if the rows do not have the bytes of `code_size` bits.
    """
    packed = np.asarray(packed, np.uint8)
    if packed.ndim != 2 or packed.shape[1] != sign_bits.num_bytes(code_size):
        raise ValueError(f"Codes of {code_size} bits must have {sign_bits.num_bytes(code_size)} bytes each. "
                         f"Received: shape {packed.shape}.")
    return sign_bits.unpack(packed, code_size)


def cut(packed: np.ndarray, num_bits: int) -> np.ndarray:
    """The first bits of packed codes, packed: uint8 [N, B] to uint8 [N, ceil(num_bits / 8)]."""
    kept = packed[:, :sign_bits.num_bytes(num_bits)]
    return kept & pack(np.ones((1, num_bits), np.uint8))


def hamming_distances(queries: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Differing bits of every pair, by one matrix product: (K - a . b) / 2 with bits as -1 and 1.

    Args:
        queries: uint8, [Q, K], 0 or 1.
        index: uint8, [N, K], 0 or 1.

    Returns:
        int16, [Q, N], in [0, K].

    Raises:
        ValueError: if the numbers of bits differ.
    """
    if queries.shape[1] != index.shape[1]:
        raise ValueError("Queries and index must have codes of one size. "
                         f"Received: {queries.shape[1]} and {index.shape[1]} bits.")
    signs_q, signs_i = sign_bits.signs(queries), sign_bits.signs(index)
    return np.rint((queries.shape[1] - signs_q @ signs_i.T) / 2).astype(np.int16)


def asymmetric_similarities(values: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """Products of real-valued codes with codes of -1 and 1: the surer a bit of the query, the more it counts.

    Source: Gordo et al., "Asymmetric Distances for Binary Embeddings", TPAMI 2014, section 3, the distance
    to the corners of a cube, of which only the product differs from code to code.

    Args:
        values: float32, [Q, K].
        bits: uint8, [N, K], 0 or 1.

    Returns:
        float32, [Q, N]; more is nearer.
    """
    return values @ sign_bits.signs(bits).T


def bit_entropies(bits: np.ndarray) -> np.ndarray:
    """Entropy of each bit over the images: 1 where half of them have it, 0 where it never changes.

    Args:
        bits: uint8, [N, K], 0 or 1.

    Returns:
        float64, [K], in [0, 1].
    """
    ones = bits.mean(axis=0, dtype=np.float64)
    result = np.zeros(bits.shape[1])
    used = (ones > 0) & (ones < 1)
    share = ones[used]
    result[used] = -(share * np.log2(share) + (1 - share) * np.log2(1 - share))
    return result


def bit_correlation(bits: np.ndarray) -> float:
    """Mean absolute correlation between different bits, of those that change; 0: they tell different things.

    Args:
        bits: uint8, [N, K], 0 or 1.

    Returns:
        In [0, 1]; 0 where fewer than two bits change.
    """
    changing = bits[:, bits.min(axis=0) != bits.max(axis=0)].astype(np.float64)
    if changing.shape[1] < 2:
        return 0.0
    correlations = np.corrcoef(changing, rowvar=False)
    return float(np.abs(correlations[np.triu_indices(len(correlations), 1)]).mean())


def collision_rate(packed: np.ndarray) -> float:
    """Share of images whose code some other image has too.

    Args:
        packed: uint8, [N, bytes].

    Returns:
        In [0, 1].
    """
    _, inverse, counts = np.unique(packed, axis=0, return_inverse=True, return_counts=True)
    return float(np.mean(counts[inverse.ravel()] > 1))
