"""Candidates from inverted lists: only those whose centres are nearest to the query are looked through."""

from __future__ import annotations

import dataclasses
import math

from data_prep.stage.lazy_module import LazyModule
from data_prep.stage.settings import setting
from delg.index.candidates.kind import CandidateKind
from delg.index.candidates.reduced import ReducedConfig, ReducedIndex

faiss = LazyModule("faiss")


@dataclasses.dataclass(frozen=True)
class IvfConfig(ReducedConfig):
    """Settings of inverted lists."""

    num_lists: int = setting(
        0, help="lists of ivf; 0: the power of two nearest to 4 * sqrt(images)", range="[0, inf)")
    num_probes: int = setting(64, help="lists of ivf that are looked at per query", range="[1, inf)")

    def resolved(self, num_images: int) -> IvfConfig:
        """As that of every type; at least 4 images come to a list."""
        num_lists = self.num_lists or 1 << round(math.log2(4 * max(1, num_images)**0.5))
        num_lists = min(num_lists, max(1, num_images // 4))
        return dataclasses.replace(super().resolved(num_images), num_lists=num_lists)


class InvertedLists(ReducedIndex):
    """Principal components in `num_lists` lists, of which `num_probes` are searched.

    Source: Jegou, Douze and Schmid, "Product Quantization for Nearest Neighbor Search", TPAMI 2011, section
    IV (the lists; entries are 8-bit scalars here).
    """

    faiss_class = "IndexIVF"

    @classmethod
    def make_faiss_index(cls, dimension: int, num_training: int, config: IvfConfig) -> faiss.Index:
        index = faiss.index_factory(dimension, f"IVF{min(config.num_lists, num_training)},SQ8",
                                    faiss.METRIC_INNER_PRODUCT)
        index.cp.seed = config.seed
        index.cp.min_points_per_centroid = 1  # few points are our business: no warnings
        index.cp.max_points_per_centroid = num_training  # the sample is one already
        return index

    def search_parameters(self, num_candidates: int,
                          selection: faiss.IDSelector | None) -> faiss.SearchParameters:
        return faiss.SearchParametersIVF(nprobe=self.config.num_probes, sel=selection)


IVF = CandidateKind(finder=InvertedLists, stems=("descriptors", "components", "faiss"),
                    settings=IvfConfig, automatic_from=1_000_000)
