"""Re-rankers without training, one after the other (numpy).

Each starts from the ranking that the one before it left, and from its query and index descriptors. Some move
queries or index descriptors and search again, others put the first results into a new order and leave the
rest behind them.
"""

from __future__ import annotations

import numpy as np

from delg.search.rerankers.reranker import RankingState, Search, exact_search
from delg.settings.kinds import RERANKERS
from delg.settings.search import SearchConfig


def rerank(queries: np.ndarray, descriptors: np.ndarray, config: SearchConfig,
           search: Search | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The ranking of every query after the re-rankers of `config.rerankers`, in their order.

    Similarities are cosines, of moved descriptors where they were moved, or the scores of a re-ranker, with
    the similarities of the results that it did not score lowered until they stay behind. Sorting by
    similarity always gives the ranking.

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
    search = search or exact_search(descriptors)
    rerankers = [RERANKERS[name] for name in config.reranker_names]
    needed = min(len(descriptors), max([1, *(reranker.depth(config) for reranker in rerankers)]))
    ranks, similarities = search(queries, config.num_neighbors and max(config.num_neighbors, needed))
    num_results = min(config.num_neighbors or ranks.shape[1], len(descriptors))
    if ranks.shape[1] < needed:  # an approximate index asked for all results gives its candidates
        ranks, similarities = search(queries, needed)
    state = RankingState(queries, descriptors, ranks, similarities, search)
    for reranker in rerankers:
        state = reranker.rerank(state, config)
    return state.ranks[:, :num_results], state.similarities[:, :num_results]
