"""Settings of a search: one flat set, in groups; those of re-rankers stand with their records."""

from __future__ import annotations

import dataclasses

from data_prep.stage.settings import check_fields, require, setting
from data_prep.stage.table import OrNone, settings_of
from delg.settings.kinds import EVIDENCE, FINAL_ORDERS, MATCHERS, RERANKERS, TRANSFORMS, VERIFIERS

# What has earned it, see docs/decisions/0074-evidence.md, and a learnt re-ranker, which none has unasked.
DEFAULT_EVIDENCE = ("global", "asmk", "geometry", "learnt")


@dataclasses.dataclass(frozen=True)
class GlobalSearchConfig:
    """Settings of the search by descriptors alone."""

    num_neighbors: int = setting(
        0, help="results kept per query; 0: the whole index, of an approximate one its candidates, but the "
        "first 1,000 of each where all would be more than a hundred million", range="[0, inf)")
    rerankers: str = setting(
        "", help="what re-orders the results of the global search, one after another, what changes the "
        "index first; empty: nothing", choices=RERANKERS, many=True)
    evidence: str = setting(
        "", help="what counts of all that a search is given: global descriptors, asmk (an index of local "
        "features), geometry (verification of the first results), neighbors (that a query shares with a "
        "result), learnt (a re-ranker); empty: all but neighbors", choices=EVIDENCE, many=True)
    neighbor_weight: float = setting(
        0.2, help="weight of the overlap of neighbours, for evidence=neighbors", range="[0, inf)")
    local_weight: float = setting(
        4.0, help="weight of the square root of the similarity of local features beside that of global "
        "descriptors, where an index of them is searched too", range="[0, inf)")
    learnt_weight: float = setting(
        0.1, help="weight beside them of the probability that a learnt re-ranker gives, where there is one",
        range="[0, inf)")

    @property
    def reranker_names(self) -> tuple[str, ...]:
        """The re-rankers of the global search, in order."""
        return _names(self.rerankers)

    @property
    def evidence_names(self) -> tuple[str, ...]:
        """What counts, in the order given; none: DEFAULT_EVIDENCE."""
        return _names(self.evidence)

    def counts(self, evidence: str) -> bool:
        """Whether a kind of evidence counts where there is any."""
        return evidence in (self.evidence_names or DEFAULT_EVIDENCE)


@dataclasses.dataclass(frozen=True)
class MatchingConfig:
    """Settings of which results are matched with their query, and how."""

    num_rerank: int = setting(100, help="results verified per query", range="[0, inf)")
    matcher: str = setting(
        "mutual", help="how local descriptors are matched; mutual: each the other's nearest; ratio: nearest "
        "by far; threshold: near enough", choices=MATCHERS)
    ratio: float = setting(
        0.9, help="for matcher=ratio: greatest quotient of the first and second distance", range="(0, 1]")
    max_distance: float = setting(
        1.0, help="for matcher=threshold: greatest distance of unit descriptors", range="(0, inf)")


@dataclasses.dataclass(frozen=True)
class VerificationConfig:
    """Settings of the transform between two images, and of what its inliers are worth."""

    verifier: str = setting(
        "usac", help="how the transform between two images is found; paper: the reference's whole recipe, "
        "threshold matcher, affine, raw pixels; none: not at all", choices=OrNone(VERIFIERS))
    transform: str = setting("homography", help="kind of transform between two images", choices=TRANSFORMS)
    inlier_threshold: float = setting(
        20.0, help="greatest error of an inlier, on a query whose longer side is 1024 pixels", unit="pixels",
        range="(0, inf)")
    max_iterations: int = setting(
        1000, help="samples that a verifier draws for a pair of images, at most", range="(0, inf)")
    guided_neighbors: int = setting(
        3, help="nearest neighbours by descriptor among which more matches are taken once the transform is "
        "known; 0: off", range="[0, inf)")
    min_inliers: int = setting(
        0, help="fewer inliers count as none; 0: twice what chance brings", range="[0, inf)")
    expand_query: bool = setting(
        False, help="move the query's global descriptor towards the verified results, then sort by it")
    final_order: str = setting(
        "fused", help="order of the verified results; fused: by similarity and inliers; inliers: by these "
        "alone, as in the reference", choices=FINAL_ORDERS)
    inlier_weight: float = setting(
        0.2, help="weight of log(inliers / floor) beside the similarity; 0: inliers change nothing",
        range="[0, inf)")
    seed: int = setting(0, help="seed of the samples that verifiers draw and of what is calibrated on")


# Of a dataclass with several bases, the fields of the last base come first.
@dataclasses.dataclass(frozen=True)
class SearchConfig(VerificationConfig, MatchingConfig, *settings_of(RERANKERS), GlobalSearchConfig):
    """Global search, then geometric verification of the first results."""

    def __post_init__(self):
        check_fields(self)
        first = [name for name, reranker in RERANKERS.items() if reranker.changes_index]
        require(not set(first) & set(self.reranker_names[1:]),
                f"`rerankers` must be names among {', '.join(RERANKERS)}, with commas between them, "
                f"{' or '.join(first)} first as it changes the index.", rerankers=self.rerankers)
        require(self.counts("global") or self.counts("asmk"),
                "`evidence` must name global or asmk, which find the results.", evidence=self.evidence)
        require(not self.rerankers or self.counts("global") and not self.counts("neighbors"),
                "`rerankers` must be empty where `evidence` lacks global, which they move, or has neighbors.",
                rerankers=self.rerankers, evidence=self.evidence)
        require(not self.expand_query or self.counts("global") and self.counts("geometry"),
                "`expand_query` must be off where `evidence` lacks global, which it moves, or geometry, by "
                "which it moves it.", expand_query=self.expand_query, evidence=self.evidence)


def _names(value: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in value.split(",")) if value else ()
