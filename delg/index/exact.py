"""Nearest unit vectors by comparing with every one: FAISS scans, and the order among equals is stable."""

from __future__ import annotations

import concurrent.futures
import contextlib
from collections.abc import Iterator

import numpy as np

from data_prep.stage.lazy_module import LazyModule
from delg.index.store import DescriptorStore
from delg.vectors.sort_keys import from_sort_keys, sort_keys

faiss = LazyModule("faiss")

_MAX_SCANNED = 1024  # neighbours up to which a scan with selection wins over sorting all similarities
_PRODUCT_QUERIES = 8  # from which on products of matrices win over comparing one by one
_SPARE = 16  # places kept beyond the last, to see whether it is tied
_LEAST_ROWS = 2**10  # scanned by a thread, if there are so many
_SCAN_ROWS = 2**14  # index rows a thread scans at once
_QUERIES = 2**14  # compared with the same rows at once
_BLOCK_ROWS = 2**14  # index rows per matrix product of a full ranking
_MAX_SIMILARITIES = 2**26  # held at once by a full ranking, 256 MiB of float32


def rank_by_similarity(similarities: np.ndarray, num_neighbors: int) -> np.ndarray:
    """Rows of the largest similarities, best first; the lower row first among equals.

    Args:
        similarities: float32, [N].
        num_neighbors: K, at most N.

    Returns:
        int32, [K].
    """
    rows = np.arange(similarities.size)
    if num_neighbors < similarities.size:
        least = np.partition(similarities, similarities.size - num_neighbors)[-num_neighbors]
        rows = np.flatnonzero(similarities >= least)  # more than K only where the last place is tied
    return from_sort_keys(np.sort(sort_keys(similarities[rows], rows))[:num_neighbors])[0]


def nearest(queries: np.ndarray, descriptors: np.ndarray | DescriptorStore,
            num_neighbors: int) -> tuple[np.ndarray, np.ndarray]:
    """The most similar rows of every query, the true ones, in memory that does not grow with Q times N.

    Args:
        queries: float32, [Q, D], unit norm.
        descriptors: float32, [N, D], unit norm, at least one; may be memory-mapped.
        num_neighbors: K, at least 1; more than N: all N.

    Returns:
        rows: int32, [Q, K], best first; the lower row first among equals.
        similarities: float32, [Q, K]; cosines.
    """
    store = DescriptorStore.of(descriptors)
    num_neighbors = min(num_neighbors, len(store))
    if num_neighbors > _MAX_SCANNED:
        return _rank_all(queries, store, num_neighbors)
    rows = np.empty((len(queries), num_neighbors), np.int32)
    similarities = np.empty((len(queries), num_neighbors), np.float32)
    for start in range(0, len(queries), _QUERIES):
        some = slice(start, start + _QUERIES)
        rows[some], similarities[some], unsure = _scan(queries[some], store, num_neighbors)
        if unsure.any():
            again = start + np.flatnonzero(unsure)
            rows[again], similarities[again] = _rank_all(queries[again], store, num_neighbors)
    return rows, similarities


def _scan(queries: np.ndarray, store: DescriptorStore,
          num_neighbors: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As `nearest`, and bool [Q]: whether so many rows tie for the last place that some were not seen."""
    kept = num_neighbors + _SPARE
    keys = np.empty((len(queries), 0), np.uint64)
    best_left_out = np.full(len(queries), -np.inf, np.float32)

    def best_of(span: tuple[int, int]) -> tuple[np.ndarray, np.ndarray | None]:
        first, block = span[0], store[slice(*span)]
        found, rows = faiss.knn(queries, block, min(kept, len(block)), metric=faiss.METRIC_INNER_PRODUCT)
        return sort_keys(found, rows + first), found[:, -1] if len(block) > kept else None

    with one_thread_each(len(queries)) as threads:
        share = -(-len(store) // faiss.omp_get_max_threads())  # a small index is work for all of them
        for found, worst in threads.map(best_of, store.spans(min(_SCAN_ROWS, max(_LEAST_ROWS, share)))):
            if worst is not None:
                np.maximum(best_left_out, worst, out=best_left_out)
            keys = np.concatenate([keys, found], axis=1)
            if keys.shape[1] > num_neighbors:
                keys = np.partition(keys, num_neighbors - 1, axis=1)[:, :num_neighbors]
    rows, similarities = from_sort_keys(np.sort(keys, axis=1))
    return rows, similarities, best_left_out >= similarities[:, -1]


@contextlib.contextmanager
def one_thread_each(num_queries: int) -> Iterator[concurrent.futures.ThreadPoolExecutor]:
    """As many threads as FAISS has, each using one of its threads to compare `num_queries` vectors at once.

    FAISS's own threads wait for one another in every product, five times as long as they compute on a busy
    machine. FAISS 1.15 also compares one by one below 128,000 queries times dimensions; from 8 queries on
    products of matrices are faster, 3 to 5 times for 70 queries.
    """
    threshold = faiss.cvar.distance_compute_blas_threshold
    if num_queries >= _PRODUCT_QUERIES:
        faiss.cvar.distance_compute_blas_threshold = 1
    try:
        with concurrent.futures.ThreadPoolExecutor(
                faiss.omp_get_max_threads(), initializer=faiss.omp_set_num_threads, initargs=(1,)) as threads:
            yield threads
    finally:
        faiss.cvar.distance_compute_blas_threshold = threshold


def _rank_all(queries: np.ndarray, store: DescriptorStore,
              num_neighbors: int) -> tuple[np.ndarray, np.ndarray]:
    rows = np.empty((len(queries), num_neighbors), np.int32)
    similarities = np.empty((len(queries), num_neighbors), np.float32)
    step = max(1, _MAX_SIMILARITIES // len(store))
    for start in range(0, len(queries), step):
        some = queries[start:start + step]
        products = np.empty((len(some), len(store)), np.float32)
        for first, block in store.blocks(_BLOCK_ROWS):
            np.matmul(some, block.T, out=products[:, first:first + len(block)])
        for i, row in enumerate(products, start):
            rows[i] = rank_by_similarity(row, num_neighbors)
            similarities[i] = row[rows[i]]
    return rows, similarities


def rescore(queries: np.ndarray, store: DescriptorStore, candidates: np.ndarray,
            num_neighbors: int) -> tuple[np.ndarray, np.ndarray]:
    """The most similar of some candidate rows by their true cosines.

    Args:
        queries: float32, [Q, D], unit norm.
        store: N descriptors of D dimensions.
        candidates: int64, [Q, C], different rows; -1: none.
        num_neighbors: K, at most C; each query has K candidates or more.

    Returns:
        As `nearest`.
    """
    similarities = np.where(candidates >= 0, store.inner_products(queries, candidates), -np.inf)
    keys = np.sort(sort_keys(similarities.astype(np.float32), np.maximum(candidates, 0)), axis=1)
    return from_sort_keys(keys[:, :num_neighbors])
