"""Search: the most similar index images of every query, the first of them verified by their geometry."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
from typing import TYPE_CHECKING

import numpy as np
from absl import logging

from data_prep.stage.jobs import JobConfig
from delg.features.reader import FeatureReader
from delg.index.files import read_description
from delg.index.kind import Index, ranked_by
from delg.scores import evidence
from delg.scores.ranking import Ranking, write_ranking
from delg.search import first_search, floor, inputs, verified_order, verifying
from delg.search.first_search import Found
from delg.search.learnt import with_learnt
from delg.search.verifying import Verified, none_verified, verify_in_blocks
from delg.settings.kinds import VERIFIERS
from delg.settings.search import SearchConfig

_MOST_RESULTS = 10**8  # of all queries, some 16 bytes each, unless more are asked for; chosen
_KEPT = 1000  # results of a query where the whole index would be more; chosen: benchmarks look at 100 or all

if TYPE_CHECKING:
    from delg.reranking.scoring import PairScorer


def search(query_features: str, index_features: str, index_dir: str, output: str,
           config: SearchConfig, num_workers: int = 0, local_index_dir: str = "",
           reranker_model: str = "", job: JobConfig | None = None, query_view_features: str = "") -> Ranking:
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
        local_index_dir: of an index of local features beside it, whose similarities are added; empty: none.
        reranker_model: SavedModel of delg.train_reranker, whose probability is added; empty: none.
        job: where many queries are verified, in blocks that are kept in `output`.verified until the ranking
            is whole; None: here.
        query_view_features: glob or folder of feature shards of views of the queries, which all but
            verification looks at too; empty: none.

    Returns:
        The ranking, as written.

    Raises:
        FileNotFoundError: if an input is missing.
        ValueError: there are no queries, not all is of one model, or features lack an image of the index.
    """
    with contextlib.ExitStack() as stack:
        queries, images = (stack.enter_context(FeatureReader(features))
                           for features in (query_features, index_features))
        index, feature_rows = inputs.open_index(index_dir, queries, query_features, images, index_features)
        evidence.counted(config, evidence.Given(
            index.ranked_by, bool(local_index_dir), bool(reranker_model)))
        local_index_dir = local_index_dir if config.counts("asmk") else ""
        local_index = inputs.open_local_index(
            local_index_dir, index, index_dir, images, index_features) if local_index_dir else None
        scorer = (_scorer(reranker_model, queries, images)
                  if reranker_model and config.num_rerank and config.counts("learnt") else None)
        readers, asked = [queries, images], queries
        if query_view_features:
            readers.append(stack.enter_context(FeatureReader(query_view_features)))
            asked = inputs.with_views(queries, query_features, readers[-1], query_view_features)
        digest = inputs.digest(readers, *filter(None, (index_dir, local_index_dir)),
                               reranker=scorer.fingerprint if scorer else "")
        requested = dataclasses.asdict(config)
        if (kept := inputs.finished(output, requested, digest)) is not None:
            logging.info("%s is up to date.", output)
            return kept
        # None: similarity alone decides.
        verifier = VERIFIERS.get(config.verifier) if config.counts("geometry") else None
        config = _bounded(config if verifier is None else verifier.settle(config), len(queries), len(index))
        found = first_search.first_search(asked, index, local_index, config)
        if scorer:
            found = with_learnt(found, scorer, feature_rows, config)
        ranks = found.ranks
        num_verified = min(config.num_rerank, ranks.shape[1]) if verifier is not None else 0
        for features, reader in ((query_features, queries), (index_features, images)):
            if num_verified and not reader.num_local_features.any():
                logging.warning("No local features in %s: results are not verified.", features)
                num_verified = 0
        if num_verified:
            with verifying.query_verifiers(query_features, index_features, config, num_workers,
                                           ranks[:, :num_verified].size, queries, images) as verify:
                config = floor.with_floor(config, verify, ranks, feature_rows)
                verified = verify_in_blocks(
                    verify, feature_rows[ranks[:, :num_verified]], query_features, index_features, config,
                    f"{output}.verified", digest, job or JobConfig())
            _reorder(found, verified, queries.global_descriptors, index, config)
        else:
            verified = none_verified(len(ranks))
    settings = {**dataclasses.asdict(config), "fingerprint": images.config.get("fingerprint", ""),
                "query_features": query_features, "query_view_features": query_view_features,
                "index_features": index_features,
                "ranked_by": ranked_by(read_description(index_dir)["type"]),
                "min_inliers_calibrated": requested["min_inliers"] == 0 != config.min_inliers,
                "requested": requested, "inputs": digest}
    ranking = Ranking(queries.ids, index.ids, ranks, found.similarities,
                      _of_all(verified.num_inliers, ranks.shape), verified.transforms, settings,
                      found.local_similarities, verified.num_matches, verified.num_mutual, found.overlaps,
                      found.learnt_similarities)
    write_ranking(output, ranking)
    shutil.rmtree(f"{output}.verified", ignore_errors=True)
    return ranking


def _bounded(config: SearchConfig, num_queries: int, num_images: int) -> SearchConfig:
    """The settings with a number of results that can be kept, where none was asked for."""
    if config.num_neighbors or num_queries * num_images <= _MOST_RESULTS:
        return config
    kept = max(_KEPT, config.num_rerank)
    logging.warning("The first %d results of each query are kept: %d queries times %d images are too many to "
                    "keep all. `num_neighbors` says otherwise.", kept, num_queries, num_images)
    return dataclasses.replace(config, num_neighbors=kept)


def _scorer(reranker_model: str, queries: FeatureReader, images: FeatureReader) -> PairScorer:
    from delg.reranking.scoring import PairScorer  # brings TensorFlow, which other searches do without

    return PairScorer(reranker_model, queries, images)


def _of_all(num_inliers: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """int32 [Q, K]: the inliers [Q, V] of those verified, which stand first, and -1 for the others."""
    return np.pad(num_inliers, ((0, 0), (0, shape[1] - num_inliers.shape[1])), constant_values=-1)


def _reorder(found: Found, verified: Verified, queries: np.ndarray, index: Index,
             config: SearchConfig) -> None:
    """Puts each query's results into their final order, the verified before the others; in place."""
    num_verified = verified.num_inliers.shape[1]
    scores = found.scores(config)
    num_inliers = _of_all(verified.num_inliers, scores.shape)
    for query in range(len(scores)):
        descriptors = index.descriptors[found.ranks[query]] if config.expand_query else None
        order = verified_order.verified_order(scores[query], num_inliers[query], num_verified, config,
                                              queries[query], descriptors)
        found.reorder(query, order)
        for array in verified:
            array[query] = array[query, order[:num_verified]]
