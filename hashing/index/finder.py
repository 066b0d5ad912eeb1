"""What finds the nearest of many binary codes: one class for each type of index, with its settings.

Settings and flags of an index come from the modules of its types, so these never import
`hashing.index.config`.
"""

from __future__ import annotations

import abc
import dataclasses
from typing import ClassVar

import numpy as np

from data_prep.stage.lazy_module import LazyModule
from data_prep.stage.settings import check_fields, setting
from delg.index.files import IndexFiles, IndexWriter, bound_faiss
from hashing.index.kinds import CODE_INDEX_KINDS

faiss = LazyModule("faiss")


@dataclasses.dataclass(frozen=True)
class CommonConfig:
    """Settings of an index of any type; those of one type extend them."""

    index_type: str = setting(
        "flat", help="how neighbours are found; flat: every code is compared; ivf: those of the lists whose "
        "centres are nearest; hash: those in the buckets of several substrings", choices=CODE_INDEX_KINDS)
    seed: int = setting(0, help="seed of the clustering into lists", range="[0, inf)")

    def __post_init__(self):
        check_fields(self)


class CodeFinder(abc.ABC):
    """Finds codes near a query, of all or of those that are likely.

    Attributes:
        stems: first parts of the names of its files.
        settings: dataclass of what it is asked for, which becomes settings and flags of every index.
    """

    stems: ClassVar[tuple[str, ...]] = ()
    settings: ClassVar[type[CommonConfig]] = CommonConfig

    @classmethod
    @abc.abstractmethod
    def train(cls, codes: np.ndarray, config: CommonConfig) -> CodeFinder:
        """A finder without codes, prepared for such as uint8 [N, B].

        Raises:
            ValueError: if codes of this size cannot be found with these settings.
        """

    @abc.abstractmethod
    def add(self, codes: np.ndarray, num_known: int) -> None:
        """Takes up codes: uint8 [N, B] of all, the first `num_known` of which it has."""

    @abc.abstractmethod
    def search(self, queries: np.ndarray, num_neighbors: int) -> tuple[np.ndarray, np.ndarray]:
        """Distances int32 [Q, K] in bits and rows int64 [Q, K], -1: none, of queries uint8 [Q, B]."""

    def write(self, writer: IndexWriter) -> dict[str, str]:
        """Writes what takes long to make anew; returns names of files by stem."""
        return {}

    @classmethod
    @abc.abstractmethod
    def load(cls, files: IndexFiles, codes: np.ndarray, config: CommonConfig) -> CodeFinder:
        """The finder of these codes that was written.

        Raises:
            ValueError: if its files are of other codes.
        """


class FaissFinder(CodeFinder):
    """Codes in an index of FAISS that looks at a small part of them.

    Args:
        faiss_index: of `faiss_class`.
    """

    stems = ("faiss",)
    faiss_class: ClassVar[str]

    def __init__(self, faiss_index: faiss.IndexBinary):
        self.faiss_index = faiss_index

    @abc.abstractmethod
    def set_effort(self, config: CommonConfig) -> None:
        """Says how thoroughly FAISS searches, which its file does not."""

    def add(self, codes: np.ndarray, num_known: int) -> None:
        if len(codes) > num_known:
            self.faiss_index.add(codes[num_known:])

    def search(self, queries: np.ndarray, num_neighbors: int) -> tuple[np.ndarray, np.ndarray]:
        return self.faiss_index.search(queries, num_neighbors)

    def write(self, writer: IndexWriter) -> dict[str, str]:
        return {"faiss": writer.write_bytes("faiss", faiss.serialize_index_binary(self.faiss_index).data)}

    @classmethod
    def load(cls, files: IndexFiles, codes: np.ndarray, config: CommonConfig) -> FaissFinder:
        content = np.frombuffer(files.read_bytes("faiss"), np.uint8)
        index = faiss.deserialize_index_binary(bound_faiss(content))
        found = (type(index).__name__, index.ntotal, index.d)
        expected = (cls.faiss_class, len(codes), 8 * codes.shape[1])
        if found != expected:
            raise ValueError("The FAISS index must be a {} of {} codes of {} bits. ".format(*expected)
                             + "Received: {} of {} codes of {} bits.".format(*found))
        finder = cls(index)
        finder.set_effort(config)
        return finder
