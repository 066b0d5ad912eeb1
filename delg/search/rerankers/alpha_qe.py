"""Alpha query expansion: each query's descriptor moved towards its first results (numpy).

Source: Radenovic et al., "Fine-tuning CNN Image Retrieval with No Human Annotation", TPAMI 2018,
https://arxiv.org/abs/1711.02512.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from data_prep.stage.settings import setting
from delg.search.rerankers.reranker import RankingState, Reranker


@dataclasses.dataclass(frozen=True)
class AlphaQeConfig:
    """Settings of alpha query expansion."""

    qe_neighbors: int = setting(
        10, help="results that alpha_qe moves the query towards; chosen", range="(0, inf)")
    qe_alpha: float = setting(
        3.0, help="a neighbour weighs cosine^alpha in alpha_qe and dba; Radenović et al., TPAMI 2018",
        range="[0, inf)")


def expand_queries(queries: np.ndarray, descriptors: np.ndarray, neighbors: np.ndarray,
                   alpha: float) -> np.ndarray:
    """Every query's descriptor moved towards its first results, each weighing cosine^alpha.

    The query itself weighs 1, a result of negative cosine nothing. An alpha of 0 is plain average query
    expansion over the results of positive cosine; a large one trusts near duplicates only.

    Args:
        queries: float32, [Q, D], unit norm.
        descriptors: float32, [N, D], unit norm; of the index.
        neighbors: int, [Q, K]; index rows of each query's first results.
        alpha: exponent, not negative.

    Returns:
        float32, [Q, D], unit norm.
    """
    return np.stack([expanded(query, descriptors[rows], alpha) for query, rows in zip(queries, neighbors)])


def expanded(vector: np.ndarray, neighbors: np.ndarray, alpha: float) -> np.ndarray:
    """A descriptor float32 [D] moved towards neighbours [K, D], each weighing cosine^alpha; unit norm."""
    cosines = neighbors @ vector
    weights = np.where(cosines > 0, np.abs(cosines) ** np.float32(alpha), np.float32(0))
    moved = vector + weights @ neighbors
    return moved / np.linalg.norm(moved)


def _rerank(state: RankingState, config: AlphaQeConfig) -> RankingState:
    return state.with_queries(expand_queries(state.queries, state.descriptors,
                                             state.ranks[:, :config.qe_neighbors], config.qe_alpha))


ALPHA_QE = Reranker(_rerank, AlphaQeConfig, depth=lambda config: config.qe_neighbors)
