"""Verifying many pairs of queries and index images: in this process, in several, or on a cluster.

Of many queries, while it goes on, in the folder of the job:

    pairs.npy                      int64 [Q, V], rows of the index features for each query
    job.json                       what is verified, so that another search begins anew
    <first>-<end>.npz              what holds for a block of queries: a `Verified`, by name
"""

from __future__ import annotations

import concurrent.futures.process
import contextlib
import dataclasses
import functools
import hashlib
import itertools
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from absl import logging

from data_prep.stage import children, files, jobs, progress
from data_prep.stage.jobs import JobConfig
from data_prep.stage.numpy_files import reading_npz
from delg.features.reader import FeatureReader
from delg.features.shards import LocalFeatures
from delg.geometry import pairs
from delg.settings.search import SearchConfig

_PAIRS_WORTH_A_POOL = 400  # below, starting processes takes longer than the work
_BLOCK_QUERIES = 256  # verified queries that are kept together; chosen: ten minutes of a processor or so
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

    def __call__(self, title: str, rows: Sequence[np.ndarray], out_of_place: bool = False,
                 queries: Sequence[int] | None = None) -> Iterator[Verified]:
        """What holds for the rows of one query after the other.

        Args:
            title: of the bar that shows progress.
            rows: of the index features, int [v], for every query.
            out_of_place: whether the features of index images exchange their places first, so that no
                transform holds.
            queries: which they are. None: all from the first on.
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
    global _worker
    _worker = _verifier_of(query_features, index_features, config)


@functools.lru_cache(1)
def _verifier_of(query_features: str, index_features: str, config: SearchConfig) -> _QueryVerifier:
    import cv2

    cv2.setNumThreads(1)
    return _QueryVerifier(FeatureReader(query_features), FeatureReader(index_features), config)


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
    def verify(title: str, rows: Sequence[np.ndarray], out_of_place: bool = False,
               queries: Sequence[int] | None = None) -> Iterator:
        results = mapped(verify_query, range(len(rows)) if queries is None else queries, rows,
                         itertools.repeat(out_of_place))
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


def verify_in_blocks(verify: VerifyRows, rows: np.ndarray, query_features: str, index_features: str,
                     config: SearchConfig, folder: str, inputs: str, job: JobConfig) -> Verified:
    """What holds between many queries and as many index images each, as arrays [Q, V, ...].

    Blocks of queries are kept as they are finished, and taken up by a later call for the same.

    Args:
        verify: verifies here, where the job has no other runner.
        rows: int64, [Q, V], of the index features, for every query.
        query_features: where features are read from.
        index_features: so of the index images.
        config: settings, with the floor on inliers found.
        folder: of the job, seen by all its workers; removed by whoever has used what comes back.
        inputs: digest of both features.
        job: where to verify.
    """
    if job.runner == jobs.EMBEDDED and len(rows) <= _BLOCK_QUERIES:
        return stacked(verify("Verifying", rows))
    blocks = [(first, min(first + _BLOCK_QUERIES, len(rows)))
              for first in range(0, len(rows), _BLOCK_QUERIES)]
    _begin(folder, rows, config, inputs)
    waiting = [block for block in blocks if not os.path.exists(_block_path(folder, *block))]
    if len(waiting) < len(blocks):
        logging.info("%d of %d blocks of queries had been verified before.",
                     len(blocks) - len(waiting), len(blocks))
    if job.runner == jobs.EMBEDDED:
        queries = [query for block in waiting for query in range(*block)]
        results = verify("Verifying", rows[queries], queries=queries)
        for first, end in waiting:
            _write_block(folder, first, end, stacked(itertools.islice(results, end - first)))
    else:
        function = functools.partial(_verify_block, folder, query_features, index_features, config)
        jobs.run("Verifying", function, [f"{first}-{end}" for first, end in waiting], folder, job)
    return Verified(*map(np.concatenate, zip(*(_read_block(folder, *block) for block in blocks))))


def _begin(folder: str, rows: np.ndarray, config: SearchConfig, inputs: str) -> None:
    """Makes the folder of a job, without what another one left there."""
    pairs_path, job_path = (os.path.join(folder, name) for name in ("pairs.npy", "job.json"))
    facts = {"config": dataclasses.asdict(config), "inputs": inputs,
             "rows": hashlib.sha256(np.ascontiguousarray(rows)).hexdigest()}
    with contextlib.suppress(OSError, ValueError):
        if files.read_json(job_path) == facts:
            return
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    with files.replacing(pairs_path) as temporary, open(temporary, "wb") as file:
        np.save(file, rows)
    files.write_json(job_path, facts)


def _verify_block(folder: str, query_features: str, index_features: str, config: SearchConfig,
                  block: str) -> None:
    """What a worker of a cluster does with the block of queries "<first>-<end>"."""
    first, end = map(int, block.split("-"))
    rows = np.load(os.path.join(folder, "pairs.npy"), mmap_mode="r")[first:end]
    verify_query = _verifier_of(query_features, index_features, config)
    found = []
    for query, of_query in enumerate(rows, first):
        jobs.check_not_stopped(folder)
        found.append(verify_query(query, of_query))
    _write_block(folder, first, end, stacked(found))


def _block_path(folder: str, first: int, end: int) -> str:
    return os.path.join(folder, f"{first:09d}-{end:09d}.npz")


def _write_block(folder: str, first: int, end: int, verified: Verified) -> None:
    with files.replacing(_block_path(folder, first, end)) as temporary, open(temporary, "wb") as file:
        np.savez(file, **verified._asdict())


def _read_block(folder: str, first: int, end: int) -> Verified:
    with reading_npz(_block_path(folder, first, end), "a block of verified queries (.npz)") as block:
        return Verified(*map(block.read, Verified._fields))
