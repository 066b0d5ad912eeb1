"""The first results compared again, by descriptors smoothed over each other (numpy)."""

from __future__ import annotations

import dataclasses

import numpy as np

from data_prep.stage.settings import setting
from delg.search.rerankers.reranker import RankingState, Reranker
from delg.vectors.sort_keys import best_columns


@dataclasses.dataclass(frozen=True)
class NeighborRefinementConfig:
    """Settings of refinement by neighbours."""

    refined_images: int = setting(
        400, help="results that neighbor_refinement compares again; SuperGlobal, ICCV 2023", range="(0, inf)")
    refined_neighbors: int = setting(
        9, help="neighbours that neighbor_refinement smooths each result over", range="(0, inf)")
    refined_beta: float = setting(
        0.15, help="weight of a neighbour of cosine 1 in neighbor_refinement", range="[0, inf)")


def refine(queries: np.ndarray, descriptors: np.ndarray, candidates: np.ndarray, num_neighbors: int,
           beta: float) -> np.ndarray:
    """Scores of each query's candidates from the descriptors of their neighbours among the candidates.

    Each candidate becomes the weighted mean of itself (weight 1) and its nearest candidates (beta times
    their cosine, none below 0). It is compared with the query, and with the largest values, component by
    component, of the candidates then nearest to the query; the score is the mean of both. Means are not
    brought back to unit norm: one whose neighbours disagree is short and scores less.
    Source: SuperGlobal, Shao et al., "Global Features are All You Need for Image Retrieval and Reranking",
    ICCV 2023, https://arxiv.org/abs/2308.06954, section 3.3; M 400, K 9, beta 0.15 from its released code.

    Args:
        queries: float32, [Q, D], unit norm.
        descriptors: float32, [N, D], unit norm; of the index.
        candidates: int, [Q, M]; index rows, best first.
        num_neighbors: K; neighbours of a candidate, itself not counted, and one less than the candidates
            whose largest values are taken.
        beta: weight of a neighbour of cosine 1.

    Returns:
        float32, [Q, M], aligned with `candidates`.
    """
    scores = np.empty(candidates.shape, np.float32)
    num_taken = min(num_neighbors + 1, candidates.shape[1])
    for query, rows in enumerate(candidates):
        near = descriptors[rows]
        similarities = near @ near.T
        np.fill_diagonal(similarities, 2)  # above any cosine: each is its own nearest, before duplicates
        columns = best_columns(similarities, num_taken)
        weights = np.float32(beta) * np.maximum(np.take_along_axis(similarities, columns, 1), 0)
        weights[:, 0] = 1
        mixing = np.zeros_like(similarities)
        np.put_along_axis(mixing, columns, weights / weights.sum(axis=1, keepdims=True), 1)
        refined = mixing @ near
        by_query = refined @ queries[query]
        largest = refined[best_columns(by_query[None], num_taken)[0]].max(axis=0)
        scores[query] = (by_query + refined @ largest) / 2
    return scores


def _rerank(state: RankingState, config: NeighborRefinementConfig) -> RankingState:
    return state.with_scores(refine(state.queries, state.descriptors, state.ranks[:, :config.refined_images],
                                    config.refined_neighbors, config.refined_beta))


NEIGHBOR_REFINEMENT = Reranker(_rerank, NeighborRefinementConfig, depth=lambda config: config.refined_images)
