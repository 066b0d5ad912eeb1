"""Evidence that images show one thing: what counts in a ranking, and the order by each kind alone (numpy)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from data_prep.stage.settings import require
from delg.scores.ranking import Ranking
from delg.settings.kinds import EVIDENCE, GLOBAL_DESCRIPTORS, LOCAL_FEATURES, VERIFIERS
from delg.settings.search import SearchConfig


class Given(NamedTuple):
    """What a search is given."""

    ranked_by: str  # what the index ranks by
    has_local_index: bool = False  # whether one of local features stands beside it
    has_reranker: bool = False  # whether there is a learnt re-ranker


@dataclasses.dataclass(frozen=True)
class Evidence:
    """One kind of evidence.

    Attributes:
        lacking: from the settings of a search and what it is given to the flag that would have to be
            otherwise for this to count; empty: none.
        of_pairs: whether it is known of verified results alone.
        alone: from a ranking to what its results are ordered by where nothing else counts, largest first,
            [Q, K], those that are equal as they were before verification; None: the ranking has no such.
    """

    lacking: Callable[[SearchConfig, Given], str]
    of_pairs: bool
    alone: Callable[[Ranking], np.ndarray | None]


def counted(config: SearchConfig, given: Given) -> list[str]:
    """What counts in a search: of what it is given, all, or what its settings name.

    Args:
        config: settings; what they name must be there.
        given: what the search is given.

    Raises:
        ValueError: if evidence is named that the search was not given.
    """
    lacking = {name: record.lacking(config, given) for name, record in EVIDENCE.items()}
    for name in config.evidence_names:
        require(not lacking[name], "`evidence` must be of what the search is given. "
                f"{name} takes {lacking[name]}.", evidence=config.evidence)
    return [name for name in EVIDENCE if config.counts(name) and not lacking[name]]


def orders(ranking: Ranking) -> dict[str, np.ndarray]:
    """The ranks of a ranking, int32 [Q, K], as each kind of evidence alone orders its results.

    "global" is always there: of an index that ranks by local features, its own order. So is `summed_name`.
    """
    scores, columns = _alone(ranking), ranking.global_columns()
    before = np.take_along_axis(ranking.ranks, columns, 1)
    found = {"global": before}
    for name, values in scores.items():
        alone = np.argsort(-np.take_along_axis(values, columns, 1), axis=1, kind="stable")
        found[name] = np.take_along_axis(before, alone, 1)
    return {**found, summed_name(ranking): before}


def summed_name(ranking: Ranking) -> str:
    """What counts in the order before verification, as "global+asmk"."""
    return "+".join(name for name in _alone(ranking)
                    if ranking.search_config.counts(name) and not EVIDENCE[name].of_pairs)


def _alone(ranking: Ranking) -> dict[str, np.ndarray]:
    scores = {name: record.alone(ranking) for name, record in EVIDENCE.items()}
    return {name: values for name, values in scores.items() if values is not None}


def _of_descriptors(ranking: Ranking) -> np.ndarray | None:
    return ranking.similarities if _ranked_by(ranking) == GLOBAL_DESCRIPTORS else None


def _of_local_features(ranking: Ranking) -> np.ndarray | None:
    return ranking.local_similarities if _ranked_by(ranking) == GLOBAL_DESCRIPTORS else ranking.similarities


def _of_inliers(ranking: Ranking) -> np.ndarray | None:
    if not ranking.num_verified:
        return None
    return np.where(ranking.num_inliers >= ranking.floor, ranking.num_inliers, 0)


def _ranked_by(ranking: Ranking) -> str:
    return ranking.config.get("ranked_by", GLOBAL_DESCRIPTORS)


GLOBAL = Evidence(
    lambda config, given:
    "" if given.ranked_by == GLOBAL_DESCRIPTORS else "an `index_dir` of global descriptors",
    False, _of_descriptors)
ASMK = Evidence(
    lambda config, given:
    "" if given.has_local_index or given.ranked_by == LOCAL_FEATURES else "a `local_index_dir`",
    False, _of_local_features)
NEIGHBORS = Evidence(
    lambda config, given:
    "" if given.ranked_by == GLOBAL_DESCRIPTORS else "an `index_dir` of global descriptors",
    False, lambda ranking: ranking.overlaps)
GEOMETRY = Evidence(
    lambda config, given:
    "" if config.verifier in VERIFIERS and config.num_rerank else "a `verifier` and `num_rerank` above 0",
    True, _of_inliers)
LEARNT = Evidence(
    lambda config, given:
    "" if given.has_reranker and config.num_rerank else "a `reranker_model` and `num_rerank` above 0",
    False, lambda ranking: ranking.learnt_similarities)
