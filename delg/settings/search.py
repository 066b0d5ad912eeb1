"""Settings of a search."""

from __future__ import annotations

import dataclasses

from data_prep.stage.settings import check_fields, require, setting
from data_prep.stage.table import OrNone
from delg.settings.kinds import FINAL_ORDERS, MATCHERS, RERANKERS, TRANSFORMS, VERIFIERS


@dataclasses.dataclass(frozen=True)
class SearchConfig:
    """Global search, then geometric verification of the first results."""

    num_neighbors: int = setting(
        0, help="results kept per query; 0: the whole index, of an approximate one its candidates",
        range="[0, inf)")
    # Of the global search.
    rerankers: str = setting(
        "", help="what re-orders the results of the global search, in this order, dba first; empty: nothing",
        choices=RERANKERS, many=True)
    qe_neighbors: int = setting(
        10, help="results that alpha_qe moves the query towards; chosen", range="(0, inf)")
    qe_alpha: float = setting(
        3.0, help="a neighbour weighs cosine^alpha in alpha_qe and dba; Radenović et al., TPAMI 2018",
        range="[0, inf)")
    dba_neighbors: int = setting(
        10, help="index images that dba moves each index image towards; chosen", range="(0, inf)")
    diffusion_images: int = setting(
        2000, help="results of a query that make the graph of diffusion; chosen, 1000 or more published",
        range="(0, inf)")
    diffusion_neighbors: int = setting(
        50, help="nearest neighbours of an image in the graph of diffusion; Iscen et al., CVPR 2017",
        range="(0, inf)")
    diffusion_seeds: int = setting(
        10, help="results where the walk of diffusion starts; CVPR 2017", range="(0, inf)")
    diffusion_gamma: float = setting(
        3.0, help="affinity in the graph of diffusion is cosine^gamma; CVPR 2017", range="(0, inf)")
    diffusion_alpha: float = setting(
        0.99, help="chance that the walk of diffusion goes on; CVPR 2017", range="[0, 1)")
    refined_images: int = setting(
        400, help="results that neighbor_refinement compares again; SuperGlobal, ICCV 2023", range="(0, inf)")
    refined_neighbors: int = setting(
        9, help="neighbours that neighbor_refinement smooths each result over", range="(0, inf)")
    refined_beta: float = setting(
        0.15, help="weight of a neighbour of cosine 1 in neighbor_refinement", range="[0, inf)")
    # Of geometric verification.
    num_rerank: int = setting(100, help="results verified per query", range="[0, inf)")
    matcher: str = setting(
        "mutual", help="how local descriptors are matched; mutual: each the other's nearest; ratio: nearest "
        "by far; threshold: near enough", choices=MATCHERS)
    ratio: float = setting(
        0.9, help="for matcher=ratio: greatest quotient of the first and second distance", range="(0, 1]")
    max_distance: float = setting(
        1.0, help="for matcher=threshold: greatest distance of unit descriptors", range="(0, inf)")
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
        3, help="nearest descriptors, by rank, that may match once the transform is known; 0: off",
        range="[0, inf)")
    min_inliers: int = setting(
        0, help="fewer inliers count as none; 0: calibrated on pairs far down the rankings", range="[0, inf)")
    expand_query: bool = setting(
        False, help="move the query's global descriptor towards the verified results, then sort by it")
    final_order: str = setting(
        "fused", help="order of the verified results; fused: by similarity and inliers; inliers: by these "
        "alone, as in the reference", choices=FINAL_ORDERS)
    inlier_weight: float = setting(
        0.2, help="weight of log(inliers / floor) beside the similarity; 0: inliers change nothing",
        range="[0, inf)")
    seed: int = setting(0, help="seed of the samples that verifiers draw and of what is calibrated on")

    def __post_init__(self):
        check_fields(self)
        require("dba" not in self.reranker_names[1:],
                f"`rerankers` must be names among {', '.join(RERANKERS)}, with commas between them, dba "
                "first as it changes the index.", rerankers=self.rerankers)

    @property
    def reranker_names(self) -> tuple[str, ...]:
        """The re-rankers of the global search, in order."""
        return tuple(name.strip() for name in self.rerankers.split(",")) if self.rerankers else ()
