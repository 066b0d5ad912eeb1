"""Verifying many pairs of queries and index images, in this process or in several."""

from __future__ import annotations

import concurrent.futures.process
import contextlib
import dataclasses
import functools
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from data_prep.stage import children, progress
from delg.features.reader import FeatureReader
from delg.features.shards import LocalFeatures
from delg.geometry import pairs
from delg.settings.search import SearchConfig

_PAIRS_WORTH_A_POOL = 400  # below, starting processes takes longer than the work
_CACHED_IMAGES = 2048  # index images whose local features a process keeps, about 0.6 MB each
_THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Verified(NamedTuple):
    """What holds between a query and v index images, or between many queries [Q, ...] and as many each.

    Attributes:
        num_inliers: int32, [v].
        num_matches: int32, [v], putative.
        num_mutual: int32, [v], putative matches that are inliers.
        transforms: float32, [v, 3, 3], from index pixels to query pixels; NaN: none found.
    """

    num_inliers: np.ndarray
    num_matches: np.ndarray
    num_mutual: np.ndarray
    transforms: np.ndarray


def stacked(results: Iterable[Verified]) -> Verified:
    """What holds for queries with as many rows each, as arrays [Q, v, ...]."""
    return Verified(*map(np.stack, zip(*results)))


def none_verified(num_queries: int) -> Verified:
    """What holds where nothing was verified: arrays [Q, 0, ...]."""
    counts = [np.zeros((num_queries, 0), np.int32)] * 3
    return Verified(*counts, np.zeros((num_queries, 0, 3, 3), np.float32))


class VerifyRows(Protocol):
    """Verifies some index images for every query."""

    def __call__(self, title: str, rows: Sequence[np.ndarray],
                 out_of_place: bool = False) -> Iterator[Verified]:
        """What holds for the rows of one query after the other.

        Args:
            title: of the bar that shows progress.
            rows: of the index features, int [v], for every query.
            out_of_place: whether the features of index images exchange their places first, so that no
                transform holds.
        """


class _QueryVerifier:
    """Verifies one query against some index images; local features are read once and kept for a while."""

    def __init__(self, queries: FeatureReader, images: FeatureReader, config: SearchConfig):
        self._queries, self._config = queries, config
        self._index_features = functools.lru_cache(_CACHED_IMAGES)(images.local_features)

    def __call__(self, query: int, rows: Sequence[int], out_of_place: bool = False) -> Verified:
        features = self._queries.local_features(query)
        index_features = map(self._index_features, map(int, rows))
        if out_of_place:
            generator = np.random.default_rng((self._config.seed, query))
            index_features = (_out_of_place(image, generator) for image in index_features)
        found = [pairs.verify_pair(features, image, self._config, self._queries.image_sizes[query])
                 for image in index_features]
        counts = [(pair.num_inliers, len(pair.matches), pair.num_mutual) for pair in found]
        return Verified(*np.array(counts, np.int32).reshape(-1, 3).T,
                        np.array([pair.transform for pair in found], np.float32).reshape(-1, 3, 3))


def _out_of_place(features: LocalFeatures, generator: np.random.Generator) -> LocalFeatures:
    """The features with places and scales of one another, drawn by a generator."""
    order = generator.permutation(len(features))
    return dataclasses.replace(features, keypoints_yx=features.keypoints_yx[order],
                               scales=features.scales[order])


_worker: _QueryVerifier | None = None  # of this process, when it is one of a pool


def _start_worker(query_features: str, index_features: str, config: SearchConfig) -> None:
    import cv2

    global _worker
    cv2.setNumThreads(1)
    _worker = _QueryVerifier(FeatureReader(query_features), FeatureReader(index_features), config)


def _verify_in_worker(*job: Any) -> Verified:
    return _worker(*job)


@contextlib.contextmanager
def query_verifiers(query_features: str, index_features: str, config: SearchConfig, num_workers: int,
               num_pairs: int, queries: FeatureReader, images: FeatureReader) -> Iterator[VerifyRows]:
    """What verifies rows of `images` for the queries, in this process or in several."""
    if num_workers == 0:
        num_workers = min(os.cpu_count() or 1, len(queries.ids)) if num_pairs >= _PAIRS_WORTH_A_POOL else 1
    if num_workers == 1:
        here = _QueryVerifier(queries, images, config)
        yield _in_order(map, here)
        return
    with _environment(dict.fromkeys(_THREAD_LIMITS, "1")):  # one thread each: the processes share the work
        pool = children.process_pool(num_workers, _start_worker, query_features, index_features, config)
        try:
            yield _in_order(pool.map, _verify_in_worker)
        except concurrent.futures.process.BrokenProcessPool as error:
            raise OSError("A verifying process was ended from outside, most likely for want of memory: lower "
                          f"`num_workers`. Received: num_workers={num_workers}.") from error
        finally:
            pool.shutdown(cancel_futures=True)


def _in_order(mapped: Callable[..., Iterator], verify_query: Callable) -> VerifyRows:
    def verify(title: str, rows: Sequence[np.ndarray], out_of_place: bool = False) -> Iterator:
        results = mapped(verify_query, range(len(rows)), rows, itertools.repeat(out_of_place))
        return progress.track(results, title, len(rows), "queries")

    return verify


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
