"""The first results of a search scored by a learnt re-ranker, before they are verified."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from data_prep.stage import progress
from delg.search.first_search import Found
from delg.settings.search import SearchConfig

if TYPE_CHECKING:  # it brings TensorFlow
    from delg.reranking.scoring import PairScorer


def with_learnt(found: Found, scorer: PairScorer, feature_rows: np.ndarray, config: SearchConfig) -> Found:
    """The results with their learnt similarities, in the order of the new sum.

    The first `num_rerank` stay first, since a probability only adds.

    Args:
        found: results.
        scorer: of the features of queries and index images.
        feature_rows: int, [N]; the rows in the features of the index images.
        config: says how many results are scored, and what that weighs.
    """
    num_scored = min(config.num_rerank, found.ranks.shape[1])
    learnt = np.zeros(found.ranks.shape, np.float32)
    for query in progress.track(range(len(learnt)), "Scoring", len(learnt), "queries"):
        logits = scorer.logits(query, feature_rows[found.ranks[query, :num_scored]])
        learnt[query, :num_scored] = np.where(np.isnan(logits), 0, 1 / (1 + np.exp(-logits)))
    found = dataclasses.replace(found, learnt_similarities=learnt)
    for query, scores in enumerate(found.scores(config)):
        found.reorder(query, np.argsort(-scores, kind="stable"))
    return found
