"""Nearest global descriptors: exactly, or among candidates that are then compared exactly.

Similarity is the cosine by construction: descriptors are scaled to unit norm when they enter an index, and
queries when they are searched. Descriptors stay in files and are mapped into memory.
"""

from __future__ import annotations

import abc

import numpy as np

from delg.index import exact
from delg.index.files import IndexFiles, IndexWriter
from delg.index.groups import GroupMembers
from delg.index.kind import CommonConfig
from delg.index.store import DescriptorStore
from delg.settings.kinds import GLOBAL_DESCRIPTORS
from delg.vectors.unit import finite_unit_vectors


class ExactIndex:
    """All index descriptors are compared with; the answer is the true one.

    Args:
        descriptors: float32 array [N, D] or a DescriptorStore, unit norm; may be memory-mapped.
        ids: N image ids.
        fingerprint: of the model that made the descriptors.
    """

    ranked_by = GLOBAL_DESCRIPTORS
    is_remote = False  # whether descriptors lie elsewhere, so that few should be asked for

    def __init__(self, descriptors: np.ndarray | DescriptorStore, ids: list[str], fingerprint: str = ""):
        if descriptors.ndim != 2 or len(descriptors) != len(ids):
            raise ValueError("`descriptors` must be [N, D] with one row per id. "
                             f"Received: shape {descriptors.shape}, {len(ids)} ids.")
        self.descriptors, self.ids, self.fingerprint = descriptors, list(ids), fingerprint
        self._store = DescriptorStore.of(descriptors)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def dimension(self) -> int:
        return self.descriptors.shape[1]

    @property
    def kept(self) -> np.ndarray | None:
        """Places of the images among those that were ever added; None: all of these."""
        return self._store.kept

    @property
    def num_places(self) -> int:
        """Images in the segments, those that were removed too."""
        return self._store.num_places

    def search(self, queries: np.ndarray, num_neighbors: int) -> tuple[np.ndarray, np.ndarray]:
        """The most similar index images of every query.

        Args:
            queries: float32, [Q, D]; scaled to unit norm.
            num_neighbors: results per query; 0, or more than N: all N.

        Returns:
            rows: int32, [Q, K], best first; the lower row first among equals.
            similarities: float32, [Q, K]; cosines in [-1, 1].

        Raises:
            ValueError: if the dimensions differ, or a query is zero or not finite.
        """
        queries = self._checked(queries)
        kept = min(num_neighbors, len(self)) or len(self)
        if not len(queries) or not kept:
            return np.empty((len(queries), kept), np.int32), np.empty((len(queries), kept), np.float32)
        return exact.nearest(queries, self._store, kept)

    def _checked(self, queries: np.ndarray) -> np.ndarray:
        queries = np.asarray(queries, np.float32)
        if queries.ndim != 2 or queries.shape[1] != self.dimension:
            raise ValueError(f"`queries` must be [Q, {self.dimension}] as the index descriptors are. "
                             f"Received: shape {queries.shape}.")
        return finite_unit_vectors(queries, "`queries`")


class CandidateFinder(abc.ABC):
    """Finds descriptors that may be near a query by something smaller than these, a code of each.

    Attributes:
        num_places: descriptors that have a code.
    """

    num_places: int

    @classmethod
    @abc.abstractmethod
    def train(cls, sample: np.ndarray, config: CommonConfig) -> CandidateFinder:
        """What codes are made by, learnt from unit descriptors float32 [n, D]; no codes yet."""

    @abc.abstractmethod
    def add(self, store: DescriptorStore) -> None:
        """Appends the codes of all rows of a store."""

    @abc.abstractmethod
    def candidates(self, queries: np.ndarray, num_candidates: int, kept: np.ndarray | None) -> np.ndarray:
        """Places whose codes are nearest to the queries.

        Args:
            queries: float32, [Q, D], unit norm.
            num_candidates: C, at most the places that count.
            kept: int64, increasing; places that count. None: all.

        Returns:
            int64, [Q, C], different ones; -1: none.
        """

    @abc.abstractmethod
    def write_codes(self, writer: IndexWriter) -> dict[str, str]:
        """Writes what grows with the images; returns names of files by stem."""

    @abc.abstractmethod
    def write_learnt(self, writer: IndexWriter) -> dict[str, str]:
        """Writes what was learnt and stays as it is; returns names of files by stem."""

    @classmethod
    @abc.abstractmethod
    def load(cls, files: IndexFiles, config: CommonConfig) -> CandidateFinder:
        """The finder that was written. Raises ValueError if its files contradict one another."""


class ApproximateIndex(ExactIndex):
    """A few hundred candidates are found by short codes and compared exactly; equal ones count as one.

    Args:
        descriptors, ids, fingerprint: as of `ExactIndex`.
        finder: finds the candidates; it has the first place of each group.
        num_candidates: per query; as many as there are results, where more of these are asked for.
        groups: int64, [places of the descriptors], of nearly equal ones; None: each is its own.
    """

    def __init__(self, descriptors: np.ndarray | DescriptorStore, ids: list[str], fingerprint: str,
                 finder: CandidateFinder, num_candidates: int, groups: np.ndarray | None = None):
        super().__init__(descriptors, ids, fingerprint)
        self.groups = np.arange(self._store.num_places) if groups is None else groups
        num_groups = int(self.groups.max(initial=-1)) + 1
        if finder.num_places != num_groups or len(self.groups) != self._store.num_places:
            raise ValueError("Codes and descriptors must be of the same images. "
                             f"Received: {finder.num_places} codes, {num_groups} descriptors.")
        self.finder, self._num_candidates = finder, num_candidates
        self._members = GroupMembers(self.groups if self.kept is None else self.groups[self.kept])
        self._all_present = len(self._members.present) == num_groups

    def search(self, queries: np.ndarray, num_neighbors: int) -> tuple[np.ndarray, np.ndarray]:
        """As `ExactIndex.search`, among candidates; `num_neighbors` 0: as many as there are candidates.

        The similarities are true. Where more results are wanted than candidates, there are as many candidates
        as results; above a tenth of the index, and where a query finds too few candidates, all images are
        compared.
        """
        wanted = min(num_neighbors or self._num_candidates, len(self))
        if wanted > max(self._num_candidates, len(self) // 10):
            return super().search(queries, wanted)
        queries = self._checked(queries)
        if not len(queries) or not wanted:
            return np.empty((len(queries), wanted), np.int32), np.empty((len(queries), wanted), np.float32)
        present = self._members.present
        groups = self.finder.candidates(queries, min(len(present), max(wanted, self._num_candidates)),
                                        None if self._all_present else present)
        if not self._members.any_equal:
            return self._best_of(queries, self._members.first(groups), wanted)
        found = [self._best_of(query[None], self._members.all(some)[None], wanted)
                 for query, some in zip(queries, groups)]
        return tuple(np.concatenate(arrays) for arrays in zip(*found))

    def _best_of(self, queries: np.ndarray, candidates: np.ndarray,
                 wanted: int) -> tuple[np.ndarray, np.ndarray]:
        """The best of candidate rows int64 [Q, C], -1: none; of all rows where a query has too few."""
        too_few = np.count_nonzero(candidates >= 0, axis=1) < wanted
        if too_few.all():
            return exact.nearest(queries, self._store, wanted)
        rows, similarities = exact.rescore(queries, self._store, candidates, wanted)
        if too_few.any():
            rows[too_few], similarities[too_few] = exact.nearest(queries[too_few], self._store, wanted)
        return rows, similarities
