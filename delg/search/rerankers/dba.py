"""Database-side augmentation: every index descriptor moved towards its nearest neighbours (numpy).

Source: Arandjelovic and Zisserman, "Three things everyone should know to improve object retrieval", CVPR
2012, section 4; with weighted neighbours in Gordo et al., "End-to-end Learning of Deep Visual Representations
for Image Retrieval", IJCV 2017. The weights here are those of alpha query expansion (chosen): they fade where
a landmark has few images.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from data_prep.stage.settings import setting
from delg.search.rerankers.alpha_qe import AlphaQeConfig, expanded
from delg.search.rerankers.reranker import RankingState, Reranker, exact_search

_BLOCK_ROWS = 1024  # index images read at once


@dataclasses.dataclass(frozen=True)
class DbaConfig(AlphaQeConfig):
    """Settings of database-side augmentation: beside its own, the exponent of alpha query expansion."""

    dba_neighbors: int = setting(
        10, help="index images that dba moves each index image towards; chosen", range="(0, inf)")


def augment_descriptors(descriptors: np.ndarray, num_neighbors: int, alpha: float) -> np.ndarray:
    """Every index descriptor moved towards its nearest neighbours in the index, as a query is.

    All pairs are compared, in blocks: memory grows with N, time with N squared.

    Args:
        descriptors: float32, [N, D], unit norm; may be memory-mapped, or anything with rows and slices.
        num_neighbors: neighbours of each image, itself not counted.
        alpha: as in `alpha_qe.expand_queries`.

    Returns:
        float32, [N, D], unit norm.
    """
    rows, _ = exact_search(descriptors)(descriptors, num_neighbors + 1)
    augmented = np.empty(descriptors.shape, np.float32)
    for start in range(0, len(rows), _BLOCK_ROWS):
        for row, vector in enumerate(descriptors[start:start + _BLOCK_ROWS], start):
            others = rows[row][rows[row] != row][:num_neighbors]  # itself may be missing, among duplicates
            augmented[row] = expanded(vector, descriptors[others], alpha)
    return augmented


def _rerank(state: RankingState, config: DbaConfig) -> RankingState:
    return state.with_descriptors(augment_descriptors(state.descriptors, config.dba_neighbors,
                                                      config.qe_alpha))


DBA = Reranker(_rerank, DbaConfig, changes_index=True)
