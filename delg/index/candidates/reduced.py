"""Candidates by the inner product of 8-bit principal components, in a FAISS index.

    components-<g>.npy, faiss-<g>.index   float32 [D, d], the FAISS index
"""

from __future__ import annotations

import abc
import dataclasses
from typing import ClassVar

import numpy as np

from data_prep.stage.lazy_module import LazyModule
from data_prep.stage.settings import setting
from delg.index.candidates.kind import CandidateConfig
from delg.index.files import IndexFiles, IndexWriter, bound_faiss
from delg.index.searching import CandidateFinder
from delg.index.store import DescriptorStore
from delg.vectors.principal_components import principal_directions

faiss = LazyModule("faiss")

_ROWS = 2**15  # descriptors projected at once
_COMPONENT_ROWS = 50_000  # descriptors the principal components are taken from


@dataclasses.dataclass(frozen=True)
class ReducedConfig(CandidateConfig):
    """Settings of every type that finds candidates by principal components."""

    reduced_dimension: int = setting(
        256, help="principal components searched by ivf and hnsw; 0: all dimensions", range="[0, inf)")


class ReducedIndex(CandidateFinder):
    """Principal components of descriptors in a FAISS index, by inner product.

    Args:
        components: float32, [D, d]: principal directions; an identity where none were asked for.
        faiss_index: of `faiss_class`, d dimensions; its ids are places of the descriptor store.
        config: resolved settings.
    """

    faiss_class: ClassVar[str]

    def __init__(self, components: np.ndarray, faiss_index: faiss.Index, config: ReducedConfig):
        self.components, self.faiss_index, self.config = components, faiss_index, config

    @classmethod
    @abc.abstractmethod
    def make_faiss_index(cls, dimension: int, num_training: int, config: ReducedConfig) -> faiss.Index:
        """An empty FAISS index, to be trained on a number of vectors."""

    @abc.abstractmethod
    def search_parameters(self, num_candidates: int,
                          selection: faiss.IDSelector | None) -> faiss.SearchParameters:
        """How thoroughly FAISS searches, and among which places; None: all."""

    @classmethod
    def train(cls, sample: np.ndarray, config: ReducedConfig) -> ReducedIndex:
        """No places yet; components and lists learnt from float32 [n, D]. One sample and seed: one result."""
        components = principal_directions(sample[:_COMPONENT_ROWS], config.reduced_dimension)
        index = cls.make_faiss_index(components.shape[1], len(sample), config)
        index.train(np.ascontiguousarray(sample @ components))
        return cls(components, index, config)

    @property
    def num_places(self) -> int:
        return self.faiss_index.ntotal

    def add(self, store: DescriptorStore) -> None:
        for _, block in store.blocks(_ROWS):
            self.faiss_index.add(np.ascontiguousarray(block @ self.components))

    def candidates(self, queries: np.ndarray, num_candidates: int, kept: np.ndarray | None) -> np.ndarray:
        selection = None
        if kept is not None:
            counts = np.zeros(-(-self.num_places // 8) * 8, bool)
            counts[kept] = True
            bits = np.packbits(counts, bitorder="little")
            selection = faiss.IDSelectorBitmap(bits)
        settings = self.search_parameters(num_candidates, selection)
        reduced = np.ascontiguousarray(queries @ self.components)
        return self.faiss_index.search(reduced, num_candidates, params=settings)[1]

    def write_codes(self, writer: IndexWriter) -> dict[str, str]:
        return {"faiss": writer.write_bytes("faiss", self.to_bytes().data)}

    def write_learnt(self, writer: IndexWriter) -> dict[str, str]:
        return {"components": writer.write_array("components", self.components)}

    @classmethod
    def load(cls, files: IndexFiles, config: ReducedConfig) -> ReducedIndex:
        return cls.from_bytes(files.read_array("components"),
                              np.frombuffer(files.read_bytes("faiss"), np.uint8), config)

    def to_bytes(self) -> np.ndarray:
        """The FAISS index as uint8 [n], for a file."""
        return faiss.serialize_index(self.faiss_index)

    @classmethod
    def from_bytes(cls, components: np.ndarray, content: np.ndarray, config: ReducedConfig) -> ReducedIndex:
        """The index of bytes that are known to be whole: FAISS does not survive all damaged ones.

        Raises:
            ValueError: if they hold an index of another kind or dimension.
        """
        try:
            index = faiss.deserialize_index(bound_faiss(content))
        except RuntimeError as error:
            raise ValueError(f"The FAISS index must be readable. Received: {error}.") from error
        if not isinstance(index, getattr(faiss, cls.faiss_class)) or index.d != components.shape[1]:
            raise ValueError(f"The FAISS index must be a {cls.faiss_class} of {components.shape[1]} "
                             f"dimensions. Received: {type(index).__name__} of {index.d}.")
        return cls(components, index, config)
