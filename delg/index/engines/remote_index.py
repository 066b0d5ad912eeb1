"""Nearest global descriptors among those of a collection, the candidates that it names compared exactly."""

from __future__ import annotations

import numpy as np

from delg.index import exact
from delg.index.engines.collection import MOST_RESULTS, Collection
from delg.index.engines.config import MilvusConfig
from delg.index.searching import ExactIndex
from delg.index.store import DescriptorStore

_FETCHED_ROWS = 2**13  # candidates compared at once, before equal ones are counted; chosen


class RemoteDescriptors:
    """Descriptors of a collection as an array [places, D], which are fetched when they are asked for.

    Args:
        collection: that holds one at each place that is asked for.
        num_places, dimension: of the array.
    """

    dtype = np.dtype(np.float32)
    ndim = 2

    def __init__(self, collection: Collection, num_places: int, dimension: int):
        self._collection, self.shape = collection, (num_places, dimension)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, places: slice | np.ndarray) -> np.ndarray:
        """float32 [n, D] at some places, int [n] or a slice."""
        if isinstance(places, slice):
            places = np.arange(*places.indices(len(self)))
        return self._collection.descriptors(np.asarray(places), self.shape[1])


class RemoteIndex(ExactIndex):
    """Images whose descriptors lie in a collection.

    Args:
        collection: that holds the descriptors.
        ids, fingerprint: as of `ExactIndex`.
        dimension: of the descriptors.
        num_places: images that were ever added.
        kept: int64, [N], increasing; places of the images among these. None: all.
        config: resolved settings.

    Attributes:
        collection, config: as given.
        num_strays: removed images that are still in the collection.
    """

    is_remote = True

    def __init__(self, collection: Collection, ids: list[str], fingerprint: str, dimension: int,
                 num_places: int, kept: np.ndarray | None, config: MilvusConfig):
        descriptors = RemoteDescriptors(collection, num_places, dimension)
        super().__init__(DescriptorStore([descriptors], kept), ids, fingerprint)
        self.collection, self.config = collection, config
        self.num_strays = collection.count(0, num_places) - len(ids)

    def search(self, queries: np.ndarray, num_neighbors: int) -> tuple[np.ndarray, np.ndarray]:
        """As `ExactIndex.search`, among candidates; `num_neighbors` 0: `num_candidates` of the settings.

        The similarities are true.

        Raises:
            OSError: if the collection cannot be asked, or names too few images for a query.
            ValueError: as of `ExactIndex.search`, or if more results are wanted than Milvus gives.
        """
        wanted = min(num_neighbors or self.config.num_candidates, len(self))
        queries = self._checked(queries)
        if wanted + self.num_strays > MOST_RESULTS:
            raise ValueError(f"`num_neighbors` must be at most {MOST_RESULTS - self.num_strays} where "
                             f"descriptors lie in Milvus. Received: {wanted}.")
        if not len(queries) or not wanted:
            return np.empty((len(queries), wanted), np.int32), np.empty((len(queries), wanted), np.float32)
        num_candidates = min(self.config.num_candidates_for(wanted), len(self))
        num_places = min(num_candidates + self.num_strays, MOST_RESULTS)
        step = max(1, _FETCHED_ROWS // num_candidates)
        found = [self._best(queries[first:first + step], num_places, num_candidates, wanted)
                 for first in range(0, len(queries), step)]
        return tuple(np.concatenate(arrays) for arrays in zip(*found))

    def _best(self, queries: np.ndarray, num_places: int, num_candidates: int,
              wanted: int) -> tuple[np.ndarray, np.ndarray]:
        for end in (None, self.num_places):  # the second time without what another process is adding
            candidates = self._candidates(queries, num_places, num_candidates, end)
            fewest = np.count_nonzero(candidates >= 0, axis=1).min()
            if fewest >= wanted:
                break
        else:
            raise OSError(f"Collection {self.collection.name!r} at {self.collection.uri} must name {wanted} "
                          "images for each query: raise search_breadth or num_probes, or build the index "
                          f"again. Received: {fewest}.")
        rows = np.unique(candidates[candidates >= 0])
        local = np.where(candidates < 0, -1, np.searchsorted(rows, candidates))
        best, similarities = exact.rescore(queries, DescriptorStore([self.descriptors[rows]]), local, wanted)
        return rows[best].astype(np.int32), similarities

    def _candidates(self, queries: np.ndarray, num_places: int, num_candidates: int,
                    end: int | None) -> np.ndarray:
        """Rows int64 [Q, C] of the nearest images, -1: none."""
        found = np.full((len(queries), num_candidates), -1, np.int64)
        nearest = self.collection.nearest(queries, num_places, self.config.search_parameters(num_places),
                                          end)
        for query, places in enumerate(nearest):
            places = places[places < self.num_places]
            rows = places
            if self.kept is not None:
                rows = np.searchsorted(self.kept, places)
                rows = rows[self.kept[np.minimum(rows, len(self.kept) - 1)] == places]
            found[query, :len(rows[:num_candidates])] = rows[:num_candidates]
        return found
