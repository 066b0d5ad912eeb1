"""Candidates from inverted lists: only those whose centres are nearest to the query are looked through."""

from __future__ import annotations

import faiss

from delg.index.candidates.kind import CandidateKind
from delg.index.candidates.reduced import ReducedIndex
from delg.settings.index import MILLION, IndexConfig


class InvertedLists(ReducedIndex):
    """Principal components in `num_lists` lists, of which `num_probes` are searched.

    Source: Jegou, Douze and Schmid, "Product Quantization for Nearest Neighbor Search", TPAMI 2011, section
    IV (the lists; entries are 8-bit scalars here).
    """

    faiss_class = faiss.IndexIVF

    @classmethod
    def make_faiss_index(cls, dimension: int, num_training: int, config: IndexConfig) -> faiss.Index:
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
                    automatic_from=MILLION)
