"""Candidates from FAISS's inverted lists and graphs over principal components of the descriptors."""

from __future__ import annotations

import faiss
import numpy as np

from delg.index.store import DescriptorStore
from delg.settings.index import IndexConfig
from delg.vectors.principal_components import principal_directions

_ROWS = 2**15  # descriptors projected at once
_COMPONENT_ROWS = 50_000  # descriptors the principal components are taken from


class ReducedIndex:
    """Inverted lists (IVF) or a graph (HNSW) of 8-bit components, by inner product.

    Args:
        components: float32, [D, d]: principal directions; an identity where none were asked for.
        faiss_index: IndexIVF or IndexHNSW of d dimensions; its ids are places of the descriptor store.
        config: resolved settings.
    """

    def __init__(self, components: np.ndarray, faiss_index: faiss.Index, config: IndexConfig):
        self.components, self.faiss_index, self._config = components, faiss_index, config

    @classmethod
    def train(cls, sample: np.ndarray, config: IndexConfig) -> ReducedIndex:
        """No places yet; components and lists learnt from float32 [n, D]. One sample and seed: one result."""
        components = principal_directions(sample[:_COMPONENT_ROWS], config.reduced_dimension)
        reduced, dimension = sample @ components, components.shape[1]
        if config.index_type == "ivf":
            index = faiss.index_factory(dimension, f"IVF{min(config.num_lists, len(sample))},SQ8",
                                        faiss.METRIC_INNER_PRODUCT)
            index.cp.seed = config.seed
            index.cp.min_points_per_centroid = 1  # few points are our business: no warnings
            index.cp.max_points_per_centroid = len(sample)  # the sample is one already
        else:
            index = faiss.index_factory(dimension, f"HNSW{config.num_links}_SQ8", faiss.METRIC_INNER_PRODUCT)
            index.hnsw.rng = faiss.RandomGenerator(config.seed)
        index.train(np.ascontiguousarray(reduced))
        return cls(components, index, config)

    @property
    def num_places(self) -> int:
        return self.faiss_index.ntotal

    def add(self, store: DescriptorStore) -> None:
        """Appends all rows of a store; a graph on one thread, since its links depend on the order."""
        threads = faiss.omp_get_max_threads()
        try:
            if self._config.index_type == "hnsw":
                faiss.omp_set_num_threads(1)
            for _, block in store.blocks(_ROWS):
                self.faiss_index.add(np.ascontiguousarray(block @ self.components))
        finally:
            faiss.omp_set_num_threads(threads)

    def candidates(self, queries: np.ndarray, num_candidates: int, kept: np.ndarray | None) -> np.ndarray:
        """Places of the nearest components; arguments and result as of `BinaryCodes.candidates`; -1: none."""
        selection = None
        if kept is not None:
            counts = np.zeros(-(-self.num_places // 8) * 8, bool)
            counts[kept] = True
            bits = np.packbits(counts, bitorder="little")
            selection = faiss.IDSelectorBitmap(bits)
        if self._config.index_type == "ivf":
            settings = faiss.SearchParametersIVF(nprobe=self._config.num_probes, sel=selection)
        else:
            breadth = max(self._config.search_breadth, num_candidates)
            settings = faiss.SearchParametersHNSW(efSearch=breadth, sel=selection)
        reduced = np.ascontiguousarray(queries @ self.components)
        return self.faiss_index.search(reduced, num_candidates, params=settings)[1]

    def to_bytes(self) -> np.ndarray:
        """The FAISS index as uint8 [n], for a file."""
        return faiss.serialize_index(self.faiss_index)

    @classmethod
    def from_bytes(cls, components: np.ndarray, content: np.ndarray, config: IndexConfig) -> ReducedIndex:
        """The index of bytes that are known to be whole: FAISS does not survive all damaged ones.

        Raises:
            ValueError: if they hold an index of another kind or dimension.
        """
        expected = faiss.IndexIVF if config.index_type == "ivf" else faiss.IndexHNSW
        try:
            index = faiss.deserialize_index(content)
        except RuntimeError as error:
            raise ValueError(f"The FAISS index must be readable. Received: {error}.") from error
        if not isinstance(index, expected) or index.d != components.shape[1]:
            raise ValueError(f"The FAISS index must be a {expected.__name__} of {components.shape[1]} "
                             f"dimensions. Received: {type(index).__name__} of {index.d}.")
        return cls(components, index, config)
