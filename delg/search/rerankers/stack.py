"""Re-rankers without training, by name and one after the other (numpy).

Each starts from the ranking that the one before it left, and from its query and index descriptors:
`alpha_qe` moves the queries and searches again, `dba` moves the index descriptors and searches again,
`diffusion` and `neighbor_refinement` put the first results into a new order and leave the others behind them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from delg.index.exact import nearest
from delg.search.rerankers import diffusion, neighbor_refinement, query_expansion
from delg.settings.search import SearchConfig

Search = Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]
_GAP = np.float32(1e-6)  # between the last re-ranked result and the first of the others


@dataclasses.dataclass(frozen=True)
class _State:
    """What one re-ranker hands to the next."""

    queries: np.ndarray  # float32 [Q, D], unit norm
    descriptors: np.ndarray  # float32 [N, D], unit norm
    ranks: np.ndarray  # int32 [Q, K], best first
    similarities: np.ndarray  # float32 [Q, K], descending
    search: Search  # of `descriptors`


def rerank(queries: np.ndarray, descriptors: np.ndarray, config: SearchConfig,
           search: Search | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The ranking of every query after the re-rankers of `config.rerankers`, in their order.

    Similarities are cosines, of moved descriptors where they were moved; after `diffusion` shares of the
    walk, at most 1, and after `neighbor_refinement` its scores, with the cosines of the results that were
    not re-ranked lowered until they stay behind. Sorting by similarity always gives the ranking.

    Args:
        queries: float32, [Q, D], unit norm.
        descriptors: float32, [N, D], unit norm; may be memory-mapped.
        config: names and constants; `num_neighbors` results are returned, 0: as many as `search` gives.
        search: of `descriptors`, from (queries, K) to (rows, similarities) as `nearest`, K of 0: all it
            gives; None: exact.

    Returns:
        ranks: int32, [Q, K], best first; the lower row first among equals.
        similarities: float32, [Q, K].
    """
    queries = np.asarray(queries, np.float32)
    search = search or _exact_search(descriptors)
    needed = min(len(descriptors), max([1, *(_depth(name, config) for name in config.reranker_names)]))
    ranks, similarities = search(queries, config.num_neighbors and max(config.num_neighbors, needed))
    num_results = min(config.num_neighbors or ranks.shape[1], len(descriptors))
    if ranks.shape[1] < needed:  # an approximate index asked for all results gives its candidates
        ranks, similarities = search(queries, needed)
    state = _State(queries, descriptors, ranks, similarities, search)
    for name in config.reranker_names:
        state = _RERANKERS[name](state, config)
    return state.ranks[:, :num_results], state.similarities[:, :num_results]


def _depth(name: str, config: SearchConfig) -> int:
    """Results a re-ranker has to see."""
    return {"alpha_qe": config.qe_neighbors, "diffusion": config.diffusion_images,
            "neighbor_refinement": config.refined_images}.get(name, 1)


def _exact_search(descriptors: np.ndarray) -> Search:
    return lambda queries, count: nearest(queries, descriptors, count or len(descriptors))


def _alpha_qe(state: _State, config: SearchConfig) -> _State:
    queries = query_expansion.expand_queries(state.queries, state.descriptors,
                                             state.ranks[:, :config.qe_neighbors], config.qe_alpha)
    ranks, similarities = state.search(queries, state.ranks.shape[1])
    return dataclasses.replace(state, queries=queries, ranks=ranks, similarities=similarities)


def _dba(state: _State, config: SearchConfig) -> _State:
    descriptors = query_expansion.augment_descriptors(state.descriptors, config.dba_neighbors,
                                                      config.qe_alpha)
    search = _exact_search(descriptors)
    return _State(state.queries, descriptors, *search(state.queries, state.ranks.shape[1]), search)


def _diffusion(state: _State, config: SearchConfig) -> _State:
    scores = diffusion.diffuse(state.queries, state.descriptors, state.ranks[:, :config.diffusion_images],
                               config.diffusion_seeds, config.diffusion_neighbors, config.diffusion_gamma,
                               config.diffusion_alpha)
    return _reordered(state, scores, scores > 0)


def _neighbor_refinement(state: _State, config: SearchConfig) -> _State:
    scores = neighbor_refinement.refine(state.queries, state.descriptors,
                                        state.ranks[:, :config.refined_images],
                                        config.refined_neighbors, config.refined_beta)
    return _reordered(state, scores, np.ones(scores.shape, bool))


def _reordered(state: _State, scores: np.ndarray, is_scored: np.ndarray) -> _State:
    """The first M results by their scores, then those without one and the rest, as they stood."""
    kept = np.zeros(state.ranks.shape, bool)
    kept[:, :scores.shape[1]] = is_scored
    similarities = np.array(state.similarities)
    best_other = np.where(kept, -np.inf, similarities).max(axis=1, keepdims=True)
    least = np.where(is_scored, scores, np.inf).min(axis=1, keepdims=True)
    similarities -= np.maximum(best_other - least + _GAP, 0).astype(np.float32)
    similarities[kept] = scores[is_scored]
    order = np.lexsort((state.ranks, -similarities))
    return dataclasses.replace(state, ranks=np.take_along_axis(state.ranks, order, 1),
                               similarities=np.take_along_axis(similarities, order, 1))


_RERANKERS = {"alpha_qe": _alpha_qe, "dba": _dba, "diffusion": _diffusion,
              "neighbor_refinement": _neighbor_refinement}
