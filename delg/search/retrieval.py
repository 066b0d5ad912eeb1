"""Search: the most similar index images of every query, the first of them verified by their geometry."""

from __future__ import annotations

import dataclasses

import numpy as np
from absl import logging

from delg.features.reader import FeatureReader
from delg.index.building import load_index
from delg.index.files import read_description
from delg.index.kind import Index, ranked_by
from delg.scores.ranking import Ranking, write_ranking
from delg.search import floor, inputs, verified_order, verifying
from delg.search.rerankers import stack
from delg.settings.kinds import LOCAL_FEATURES, VERIFIERS
from delg.settings.search import SearchConfig


def search(query_features: str, index_features: str, index_dir: str, output: str,
           config: SearchConfig, num_workers: int = 0) -> Ranking:
    """Ranks the index images for every query, re-ranks and verifies the first and writes the ranking.

    Every pair is verified once, whatever protocols it serves later. A finished ranking of the same inputs
    and settings is kept.

    Args:
        query_features: glob or folder of the queries' feature shards.
        index_features: glob or folder of the feature shards of the index images, and maybe of others.
        index_dir: written by delg.build_index from features of the same model.
        output: path of ranking.h5.
        config: settings; those that a verifier brings along, as "paper" does, come before them.
        num_workers: processes that verify; 0: one per processor where the work is worth it.

    Returns:
        The ranking, as written.

    Raises:
        FileNotFoundError: if an input is missing.
        ValueError: there are no queries, not all is of one model, or features lack an image of the index.
    """
    with FeatureReader(query_features) as queries, FeatureReader(index_features) as images:
        index = load_index(index_dir)
        inputs.check_inputs(queries, query_features, images, index_features, index, index_dir)
        feature_rows = inputs.rows_of(index.ids, images, index_features)
        inputs.check_content(images, feature_rows, index_features, index, index_dir)
        digest = inputs.digest(queries, images, index_dir)
        requested = dataclasses.asdict(config)
        kept = inputs.finished(output, requested, digest)
        if kept is not None:
            logging.info("%s is up to date.", output)
            return kept
        verifier = VERIFIERS.get(config.verifier)  # None: similarity alone decides
        config = config if verifier is None else verifier.settle(config)
        ranks, similarities = _first_search(queries, index, config)
        num_verified = min(config.num_rerank, ranks.shape[1]) if verifier is not None else 0
        if num_verified and not (queries.num_local_features.any() and images.num_local_features.any()):
            logging.warning("No local features in %s: results are not verified.",
                            index_features if queries.num_local_features.any() else query_features)
            num_verified = 0
        num_inliers = np.full(ranks.shape, -1, np.int32)
        transforms = np.full((len(ranks), num_verified, 3, 3), np.nan, np.float32)
        if num_verified:
            with verifying.query_verifiers(query_features, index_features, config, num_workers,
                                           ranks[:, :num_verified].size, queries, images) as verify:
                config = floor.with_floor(config, verify, ranks, feature_rows)
                results = verify("Verifying", feature_rows[ranks[:, :num_verified]])
                for query, (counts, found) in enumerate(results):
                    num_inliers[query, :num_verified] = counts
                    transforms[query] = found
            _reorder(ranks, similarities, num_inliers, transforms, queries.global_descriptors, index, config)
    settings = {**dataclasses.asdict(config), "fingerprint": images.config.get("fingerprint", ""),
                "query_features": query_features, "index_features": index_features,
                "ranked_by": ranked_by(read_description(index_dir)["type"]),
                "min_inliers_calibrated": requested["min_inliers"] == 0 != config.min_inliers,
                "requested": requested, "inputs": digest}
    ranking = Ranking(queries.ids, index.ids, ranks, similarities, num_inliers, transforms, settings)
    write_ranking(output, ranking)
    return ranking


def _first_search(queries: FeatureReader, index: Index,
                  config: SearchConfig) -> tuple[np.ndarray, np.ndarray]:
    """The ranking before verification: by local features where the index is of these."""
    if index.ranked_by == LOCAL_FEATURES:
        if config.rerankers or config.expand_query:
            raise ValueError("`rerankers` and `expand_query` must be off where `index_dir` is an index of "
                             "local features: they move global descriptors. Received: "
                             f"rerankers={config.rerankers!r}, expand_query={config.expand_query}.")
        return index.search((queries.local_features(row).descriptors for row in range(len(queries))),
                            config.num_neighbors)
    if not config.rerankers:
        return index.search(queries.global_descriptors, config.num_neighbors)
    return stack.rerank(queries.global_descriptors, index.descriptors, config, index.search)


def _reorder(ranks: np.ndarray, similarities: np.ndarray, num_inliers: np.ndarray, transforms: np.ndarray,
             queries: np.ndarray, index: Index, config: SearchConfig) -> None:
    """Puts each query's results into their final order, the verified before the others; in place."""
    num_verified = transforms.shape[1]
    for query in range(len(ranks)):
        descriptors = index.descriptors[ranks[query]] if config.expand_query else None
        order = verified_order.verified_order(similarities[query], num_inliers[query], num_verified, config,
                                              queries[query], descriptors)
        for array in (ranks, similarities, num_inliers):
            array[query] = array[query, order]
        transforms[query] = transforms[query, order[:num_verified]]
