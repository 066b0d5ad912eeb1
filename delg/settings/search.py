"""Settings of a search."""

from __future__ import annotations

import dataclasses

from data_prep.stage.settings import require, require_member
from data_prep.stage.table import OrNone
from delg.settings.kinds import FINAL_ORDERS, MATCHERS, RERANKERS, TRANSFORMS, VERIFIERS


@dataclasses.dataclass(frozen=True)
class SearchConfig:
    """Global search, then geometric verification of the first results."""

    num_neighbors: int = 0  # results kept per query; 0: the whole index, of an approximate one its candidates
    rerankers: str = ""  # of the global search, in order: alpha_qe, dba, diffusion, neighbor_refinement
    qe_neighbors: int = 10  # results the query moves towards, for alpha_qe; chosen
    qe_alpha: float = 3.0  # a neighbour weighs cosine^alpha, for alpha_qe and dba; TPAMI 2018
    dba_neighbors: int = 10  # index images each index image moves towards, for dba; chosen
    diffusion_images: int = 2000  # results of a query that make the graph; chosen, 1000 or more published
    diffusion_neighbors: int = 50  # nearest neighbours of an image in the graph; CVPR 2017
    diffusion_seeds: int = 10  # results where the walk starts; CVPR 2017
    diffusion_gamma: float = 3.0  # affinity is cosine^gamma; CVPR 2017
    diffusion_alpha: float = 0.99  # chance of walking on; CVPR 2017
    refined_images: int = 400  # results that neighbor_refinement compares again; SuperGlobal, ICCV 2023
    refined_neighbors: int = 9  # neighbours each is smoothed over
    refined_beta: float = 0.15  # weight of a neighbour of cosine 1
    num_rerank: int = 100  # results verified per query
    matcher: str = "mutual"
    ratio: float = 0.9  # first over second distance, for matcher=ratio
    max_distance: float = 1.0  # between unit descriptors, for matcher=threshold
    verifier: str = "usac"  # paper: the reference's whole recipe, threshold matcher, affine, raw pixels
    transform: str = "homography"
    inlier_threshold: float = 20.0  # pixels, on a query whose longer side is 1024 pixels
    max_iterations: int = 1000
    guided_neighbors: int = 3  # nearest by descriptor that may match once a transform is known; 0: off
    min_inliers: int = 0  # fewer inliers count as none; 0: calibrated on pairs far down the rankings
    expand_query: bool = False  # move the query's global descriptor towards the verified results, then sort
    final_order: str = "fused"  # of the verified: fused: similarity and inliers | inliers: as the reference
    inlier_weight: float = 0.2  # of log(inliers / floor) beside the similarity; 0: inliers change nothing
    seed: int = 0

    def __post_init__(self):
        for name, allowed in (("matcher", MATCHERS), ("verifier", OrNone(VERIFIERS)),
                              ("transform", TRANSFORMS), ("final_order", FINAL_ORDERS)):
            require_member(name, getattr(self, name), allowed)
        for name in ("num_neighbors", "num_rerank", "guided_neighbors", "min_inliers", "inlier_weight"):
            require(getattr(self, name) >= 0, f"`{name}` must not be negative.",
                    **{name: getattr(self, name)})
        for name in ("inlier_threshold", "max_iterations", "max_distance"):
            require(getattr(self, name) > 0, f"`{name}` must be positive.", **{name: getattr(self, name)})
        require(0 < self.ratio <= 1, "`ratio` must be in (0, 1].", ratio=self.ratio)
        require(set(self.reranker_names) <= set(RERANKERS) and "dba" not in self.reranker_names[1:],
                f"`rerankers` must be names among {', '.join(RERANKERS)}, with commas between them, dba "
                "first as it changes the index.", rerankers=self.rerankers)
        for name in ("qe_neighbors", "dba_neighbors", "diffusion_images", "diffusion_neighbors",
                     "diffusion_seeds", "diffusion_gamma", "refined_images", "refined_neighbors"):
            require(getattr(self, name) > 0, f"`{name}` must be positive.", **{name: getattr(self, name)})
        for name in ("qe_alpha", "refined_beta"):
            require(getattr(self, name) >= 0, f"`{name}` must not be negative.",
                    **{name: getattr(self, name)})
        require(0 <= self.diffusion_alpha < 1, "`diffusion_alpha` must be in [0, 1).",
                diffusion_alpha=self.diffusion_alpha)

    @property
    def reranker_names(self) -> tuple[str, ...]:
        """The re-rankers of the global search, in order."""
        return tuple(name.strip() for name in self.rerankers.split(",")) if self.rerankers else ()
