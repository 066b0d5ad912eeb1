"""Verifying many pairs of queries and index images, in this process or in several."""

from __future__ import annotations

import concurrent.futures.process
import contextlib
import functools
import os
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from data_prep.stage import children, progress
from delg.features.reader import FeatureReader
from delg.geometry import pairs
from delg.settings.search import SearchConfig

# From a title and rows of the index features for every query to their inliers [v] and transforms [v, 3, 3].
VerifyRows = Callable[[str, Sequence[np.ndarray]], Iterator[tuple[np.ndarray, np.ndarray]]]
_PAIRS_WORTH_A_POOL = 400  # below, starting processes takes longer than the work
_CACHED_IMAGES = 2048  # index images whose local features a process keeps, about 0.6 MB each
_THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class _QueryVerifier:
    """Verifies one query against some index images; local features are read once and kept for a while."""

    def __init__(self, queries: FeatureReader, images: FeatureReader, config: SearchConfig):
        self._queries, self._config = queries, config
        self._index_features = functools.lru_cache(_CACHED_IMAGES)(images.local_features)

    def __call__(self, query: int, rows: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        features = self._queries.local_features(query)
        found = [pairs.verify_pair(features, self._index_features(int(row)), self._config,
                                   self._queries.image_sizes[query]) for row in rows]
        counts = np.array([pair.num_inliers for pair in found], np.int32)
        return counts, np.array([pair.transform for pair in found], np.float32).reshape(-1, 3, 3)


_worker: _QueryVerifier | None = None  # of this process, when it is one of a pool


def _start_worker(query_features: str, index_features: str, config: SearchConfig) -> None:
    import cv2

    global _worker
    cv2.setNumThreads(1)
    _worker = _QueryVerifier(FeatureReader(query_features), FeatureReader(index_features), config)


def _verify_in_worker(query: int, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return _worker(query, rows)


@contextlib.contextmanager
def query_verifiers(query_features: str, index_features: str, config: SearchConfig, num_workers: int,
               num_pairs: int, queries: FeatureReader, images: FeatureReader) -> Iterator[VerifyRows]:
    """A function from (title, rows of `images` for every query) to an iterator over (counts, transforms)."""
    if num_workers == 0:
        num_workers = min(os.cpu_count() or 1, len(queries.ids)) if num_pairs >= _PAIRS_WORTH_A_POOL else 1
    if num_workers == 1:
        here = _QueryVerifier(queries, images, config)
        yield lambda title, rows: progress.track(
            map(here, range(len(rows)), rows), title, len(rows), "queries")
        return
    with _environment(dict.fromkeys(_THREAD_LIMITS, "1")):  # one thread each: the processes share the work
        pool = children.process_pool(num_workers, _start_worker, query_features, index_features, config)
        try:
            yield lambda title, rows: progress.track(
                pool.map(_verify_in_worker, range(len(rows)), rows), title, len(rows), "queries")
        except concurrent.futures.process.BrokenProcessPool as error:
            raise OSError("A verifying process was ended from outside, most likely for want of memory: lower "
                          f"`num_workers`. Received: num_workers={num_workers}.") from error
        finally:
            pool.shutdown(cancel_futures=True)


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
