"""Queries with views of them: what is searched for, as it may look from elsewhere."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from delg.features.reader import FeatureReader
from delg.features.shards import LocalFeatures
from delg.features.simulated_views import image_of
from delg.vectors.unit import unit_vectors


class Queries(Protocol):
    """What is asked before anything is verified; a `FeatureReader` is such."""

    ids: Sequence[str]
    global_descriptors: np.ndarray  # float32 [Q, D], unit norm

    def __len__(self) -> int: ...

    def local_features(self, row: int) -> LocalFeatures:
        """Those of one query."""


class QueriesWithViews:
    """Queries whose global descriptor is the mean of theirs and those of their views, with the local features
    of all of them.

    Args:
        queries: features of Q queries.
        views: features of their views, whose ids name them; maybe of others too.

    Raises:
        ValueError: a query has no view.
    """

    def __init__(self, queries: FeatureReader, views: FeatureReader):
        self.ids, self._queries, self._views = queries.ids, queries, views
        rows: dict[str, list[int]] = {image_id: [] for image_id in queries.ids}
        for row, view in enumerate(views.ids):
            rows.get(image_of(view), []).append(row)
        self._rows = list(rows.values())
        without = [image_id for image_id, of_query in rows.items() if not of_query]
        if without:
            raise ValueError("`query_view_features` must hold views of every query. Received: none of "
                             f"{len(without)} of {len(rows)}, such as {without[0]!r}.")

    def __len__(self) -> int:
        return len(self.ids)

    @functools.cached_property
    def global_descriptors(self) -> np.ndarray:
        """float32 [Q, D], unit norm."""
        own, views = self._queries.global_descriptors, self._views.global_descriptors
        return unit_vectors(np.array([(descriptor + views[rows].sum(axis=0)) / (1 + len(rows))
                                      for descriptor, rows in zip(own, self._rows)], np.float32))

    def local_features(self, row: int) -> LocalFeatures:
        """Those of a query and of its views, one after the other; keypoints are pixels of the query."""
        parts = [self._queries.local_features(row), *map(self._views.local_features, self._rows[row])]
        return LocalFeatures(*(np.concatenate([getattr(part, field.name) for part in parts])
                               for field in dataclasses.fields(LocalFeatures)))
