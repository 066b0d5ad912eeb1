"""ranking.h5: what was found for every query, verified or not.

`query_ids` [Q], `index_ids` [N], `ranks` [Q, K] int32 rows of `index_ids`, best first, `similarities` [Q, K]
float32, `num_inliers` [Q, K] int32 (-1: not verified), `transforms` [Q, V, 3, 3] float32 from index pixels
(x, y, 1) to query pixels, aligned with `ranks[:, :V]` (NaN where none was found). The V verified come first.
`num_matches` [Q, V] int32, putative matches, and `num_mutual` [Q, V] int32, those of them that are inliers;
files of earlier versions lack both. `local_similarities` [Q, K] float32 where an index of local features was
searched beside that of global ones, `overlaps` [Q, K] float32 of neighbours where these count,
`learnt_similarities` [Q, K] float32 where a re-ranker was given: how probable it holds it that both show one
landmark, 0 beyond the results that it looked at.
Attribute `config`: JSON of the search settings, the features' fingerprint and the inputs.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
from typing import Any

import numpy as np

from data_prep.stage import hdf5_files
from delg.settings.search import SearchConfig

_REQUIRED = {"ranks": np.int32, "similarities": np.float32, "num_inliers": np.int32, "transforms": np.float32}
_OPTIONAL = {"local_similarities": np.float32, "overlaps": np.float32, "learnt_similarities": np.float32,
             "num_matches": np.int32, "num_mutual": np.int32}
_OF_VERIFIED = ("transforms", "num_matches", "num_mutual")


@dataclasses.dataclass(frozen=True)
class Ranking:
    """One ranking per query, in final order."""

    query_ids: list[str]
    index_ids: list[str]
    ranks: np.ndarray  # int32 [Q, K], rows of index_ids, best first
    similarities: np.ndarray  # float32 [Q, K], cosines of the global descriptors, or a re-ranker's scores
    num_inliers: np.ndarray  # int32 [Q, K]; -1: not verified
    transforms: np.ndarray  # float32 [Q, V, 3, 3]; NaN: none found
    config: dict[str, Any]
    local_similarities: np.ndarray | None = None  # float32 [Q, K], of aggregated local features
    num_matches: np.ndarray | None = None  # int32 [Q, V], putative; None: not kept
    num_mutual: np.ndarray | None = None  # int32 [Q, V], putative matches that are inliers; None: not kept
    overlaps: np.ndarray | None = None  # float32 [Q, K], of neighbours of query and result; None: not known
    learnt_similarities: np.ndarray | None = None  # float32 [Q, K], probabilities of a re-ranker

    @property
    def scores(self) -> np.ndarray:
        """float32 [Q, K]: what results are ordered by before verification."""
        return summed(self.search_config, self.similarities, self.local_similarities, self.overlaps,
                      self.learnt_similarities)

    def local_similarity(self, query: int, column: int) -> float:
        """Of a query and a result, by local features; 0 where an index of them was not searched."""
        return 0.0 if self.local_similarities is None else float(self.local_similarities[query, column])

    @property
    def keeps_matches(self) -> bool:
        """Whether it knows the matches of verified pairs."""
        return self.num_matches is not None and self.num_mutual is not None

    @property
    def num_verified(self) -> int:
        """Results verified per query, V; they stand first."""
        return self.transforms.shape[1]

    @functools.cached_property
    def search_config(self) -> SearchConfig:
        """The settings the ranking was made with, the least number of inliers as calibrated."""
        names = {field.name for field in dataclasses.fields(SearchConfig)}
        return SearchConfig(**{name: value for name, value in self.config.items() if name in names})

    @property
    def floor(self) -> int:
        """The least number of inliers that counts as confirmed, at least 1."""
        return max(1, self.config.get("min_inliers", 0))

    def global_columns(self) -> np.ndarray:
        """int64 [Q, K]: columns in the order before verification, by score; the lower row first among equals,
        as in every search of an index."""
        return np.lexsort((self.ranks, -self.scores))

    def global_ranks(self) -> np.ndarray:
        """int32 [Q, K]: `ranks` in the order before verification."""
        return np.take_along_axis(self.ranks, self.global_columns(), 1)


def summed(config: SearchConfig, similarities: np.ndarray, local_similarities: np.ndarray | None = None,
           overlaps: np.ndarray | None = None, learnt_similarities: np.ndarray | None = None) -> np.ndarray:
    """similarity + weight * sqrt(local similarity) + weight * overlap + weight * learnt similarity, float32,
    of what is known and counts.

    Ours, see docs/decisions/0069-sum-of-evidence.md, 0074-evidence.md and 0075-learnt-re-ranker.md.

    Args:
        config: says what counts, and its weight.
        similarities: float32, cosines of global descriptors or a re-ranker's scores.
        local_similarities: float32, of the same shape; of aggregated local features, in [0, 1].
        overlaps: float32, of the same shape; of neighbours, in [0, 1].
        learnt_similarities: float32, of the same shape; of a learnt re-ranker, in [0, 1].
    """
    scores = similarities
    if local_similarities is not None:
        local = np.float32(config.local_weight) * np.sqrt(np.maximum(local_similarities, 0))
        scores = scores + local if config.counts("global") else local
    for weight, summand in ((config.neighbor_weight, overlaps), (config.learnt_weight, learnt_similarities)):
        if summand is not None:
            scores = scores + np.float32(weight) * summand
    return scores


def write_ranking(path: str, ranking: Ranking) -> None:
    """Writes `ranking` under a temporary name and renames it to `path`."""
    with hdf5_files.writing(path) as writer:
        for name in ("query_ids", "index_ids"):
            writer.write_texts(name, getattr(ranking, name))
        for name, dtype in {**_REQUIRED, **_OPTIONAL}.items():
            if (values := getattr(ranking, name)) is not None:
                writer.write_array(name, np.asarray(values, dtype))
        writer.describe(config=json.dumps(ranking.config))


def read_ranking(path: str) -> Ranking:
    """The ranking of a file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no ranking, or its arrays contradict one another.
    """
    if not os.path.exists(path):
        raise FileNotFoundError(f"`ranking` must be a file of delg.search_images. Received: {path!r}.")
    with hdf5_files.reading(path, "a ranking of delg.search_images (HDF5)") as file:
        ids = {name: [value.decode() for value in file[name][()]] for name in ("query_ids", "index_ids")}
        arrays = {name: file[name][()] for name in (*_REQUIRED, *filter(file.__contains__, _OPTIONAL))}
        config = json.loads(file.attrs["config"])
    shape = arrays["ranks"].shape
    of_results = {array.shape for name, array in arrays.items() if name not in _OF_VERIFIED}
    of_verified = {array.shape[:2] for name, array in arrays.items() if name in _OF_VERIFIED}
    if not (len(shape) == 2 and of_results == {shape} and len(of_verified) == 1
            and arrays["transforms"].shape[2:] == (3, 3)
            and shape[0] == len(ids["query_ids"]) == len(arrays["transforms"])):
        raise ValueError(f"{path}: arrays must have one row per query. Received: "
                         f"{len(ids['query_ids'])} queries, "
                         + ", ".join(f"{name} {array.shape}" for name, array in arrays.items()) + ".")
    return Ranking(**ids, **arrays, config=config)
