"""Descriptors moved towards their nearest neighbours: the queries' or the whole index's (numpy)."""

from __future__ import annotations

import numpy as np

from delg.index.exact import nearest

_BLOCK_ROWS = 1024  # index images read at once

def expand_queries(queries: np.ndarray, descriptors: np.ndarray, neighbors: np.ndarray,
                   alpha: float) -> np.ndarray:
    """Every query's descriptor moved towards its first results, each weighing cosine^alpha.

    The query itself weighs 1, a result of negative cosine nothing. An alpha of 0 is plain average query
    expansion over the results of positive cosine; a large one trusts near duplicates only.
    Source: alpha query expansion, Radenovic et al., "Fine-tuning CNN Image Retrieval with No Human
    Annotation", TPAMI 2018, https://arxiv.org/abs/1711.02512.

    Args:
        queries: float32, [Q, D], unit norm.
        descriptors: float32, [N, D], unit norm; of the index.
        neighbors: int, [Q, K]; index rows of each query's first results.
        alpha: exponent, not negative.

    Returns:
        float32, [Q, D], unit norm.
    """
    return np.stack([_expanded(query, descriptors[rows], alpha) for query, rows in zip(queries, neighbors)])


def augment_descriptors(descriptors: np.ndarray, num_neighbors: int, alpha: float) -> np.ndarray:
    """Every index descriptor moved towards its nearest neighbours in the index, as a query is.

    All pairs are compared, in blocks: memory grows with N, time with N squared.
    Source: database-side feature augmentation, Arandjelovic and Zisserman, "Three things everyone should
    know to improve object retrieval", CVPR 2012, section 4; with weighted neighbours in Gordo et al.,
    "End-to-end Learning of Deep Visual Representations for Image Retrieval", IJCV 2017. The weights here are
    those of alpha query expansion (chosen): they fade where a landmark has few images.

    Args:
        descriptors: float32, [N, D], unit norm; may be memory-mapped, or anything with rows and slices.
        num_neighbors: neighbours of each image, itself not counted.
        alpha: as in `expand_queries`.

    Returns:
        float32, [N, D], unit norm.
    """
    rows, _ = nearest(descriptors, descriptors, num_neighbors + 1)
    augmented = np.empty(descriptors.shape, np.float32)
    for start in range(0, len(rows), _BLOCK_ROWS):
        for row, vector in enumerate(descriptors[start:start + _BLOCK_ROWS], start):
            others = rows[row][rows[row] != row][:num_neighbors]  # itself may be missing, among duplicates
            augmented[row] = _expanded(vector, descriptors[others], alpha)
    return augmented


def _expanded(vector: np.ndarray, neighbors: np.ndarray, alpha: float) -> np.ndarray:
    cosines = neighbors @ vector
    weights = np.where(cosines > 0, np.abs(cosines) ** np.float32(alpha), np.float32(0))
    moved = vector + weights @ neighbors
    return moved / np.linalg.norm(moved)
