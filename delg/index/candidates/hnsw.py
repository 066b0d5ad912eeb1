"""Candidates from a graph: a walk along links between neighbours, towards the query."""

from __future__ import annotations

import dataclasses

from data_prep.stage.lazy_module import LazyModule
from data_prep.stage.settings import setting
from delg.index.candidates.kind import CandidateKind
from delg.index.candidates.reduced import ReducedConfig, ReducedIndex
from delg.index.store import DescriptorStore

faiss = LazyModule("faiss")


@dataclasses.dataclass(frozen=True)
class HnswConfig(ReducedConfig):
    """Settings of a graph of neighbours."""

    num_links: int = setting(32, help="links of an image in hnsw", range="[2, inf)")
    search_breadth: int = setting(
        800, help="images that hnsw keeps in sight while it walks; num_candidates at least", range="[1, inf)")


class NeighborGraph(ReducedIndex):
    """Principal components in a hierarchical graph of `num_links` links an image.

    Source: Malkov and Yashunin, "Efficient and Robust Approximate Nearest Neighbor Search Using Hierarchical
    Navigable Small World Graphs", TPAMI 2018.
    """

    faiss_class = "IndexHNSW"

    @classmethod
    def make_faiss_index(cls, dimension: int, num_training: int, config: HnswConfig) -> faiss.Index:
        index = faiss.index_factory(dimension, f"HNSW{config.num_links}_SQ8", faiss.METRIC_INNER_PRODUCT)
        index.hnsw.rng = faiss.RandomGenerator(config.seed)
        return index

    def add(self, store: DescriptorStore) -> None:
        """Appends all rows of a store, on one thread: the links depend on the order."""
        threads = faiss.omp_get_max_threads()
        try:
            faiss.omp_set_num_threads(1)
            super().add(store)
        finally:
            faiss.omp_set_num_threads(threads)

    def search_parameters(self, num_candidates: int,
                          selection: faiss.IDSelector | None) -> faiss.SearchParameters:
        breadth = max(self.config.search_breadth, num_candidates)
        return faiss.SearchParametersHNSW(efSearch=breadth, sel=selection)


HNSW = CandidateKind(finder=NeighborGraph, stems=("descriptors", "components", "faiss"),
                     settings=HnswConfig)
