"""Search: the most similar index images of every query, the first of them verified by their geometry."""

from __future__ import annotations

import concurrent.futures.process
import contextlib
import dataclasses
import functools
import hashlib
import json
import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import rich.console
import rich.progress
from absl import logging

from delg.features.reader import FeatureReader
from delg.geometry import pairs, verification
from delg.index.asmk.index import AsmkIndex
from delg.index.building import ExactIndex, load_index
from delg.index.files import content_digest, read_description
from delg.scores.ranking import Ranking, read_ranking, write_ranking
from delg.search import verified_order
from delg.search.rerankers import stack
from delg.settings.index import ranked_by
from delg.settings.search import SearchConfig

CALIBRATION_PAIRS = 1000
DEFAULT_MIN_INLIERS = 15  # where too few pairs exist to calibrate on
_PAIRS_WORTH_A_POOL = 400  # below, starting processes takes longer than the work
_CACHED_IMAGES = 2048  # index images whose local features a process keeps, about 0.6 MB each
_SHARED_SETTINGS = ("fingerprint", "max_image_size", "global_scales", "whitening")
_THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def search(query_features: str, index_features: str, index_dir: str, output: str,
           config: SearchConfig, num_workers: int = 0) -> Ranking:
    """Ranks the index images for every query, re-ranks and verifies the first and writes the ranking.

    Every pair is verified once, whatever protocols it serves later. A finished ranking of the same inputs
    and settings is kept.

    Args:
        query_features: glob or folder of the queries' feature shards.
        index_features: glob or folder of the feature shards of the index images, and maybe of others.
        index_dir: written by delg.build_index from features of the same model.
        output: path of ranking.h5.
        config: settings; with `verifier` "paper" the matcher, transform and guidance are the reference's.
        num_workers: processes that verify; 0: one per processor where the work is worth it.

    Returns:
        The ranking, as written.

    Raises:
        FileNotFoundError: if an input is missing.
        ValueError: if there are no queries, queries, index features and index are not of one model, or the
            features lack an image of the index.
    """
    with FeatureReader(query_features) as queries, FeatureReader(index_features) as images:
        index = load_index(index_dir)
        _check_inputs(queries, query_features, images, index_features, index, index_dir)
        feature_rows = _rows_of(index.ids, images.ids, index_features)
        inputs = _digest(queries, images, index_dir)
        requested = dataclasses.asdict(config)
        kept = _finished(output, requested, inputs)
        if kept is not None:
            logging.info("%s is up to date.", output)
            return kept
        if config.verifier == "paper":
            config = dataclasses.replace(config, matcher="threshold", transform="affine", guided_neighbors=0,
                                         final_order="inliers", min_inliers=max(1, config.min_inliers),
                                         expand_query=False, rerankers="")
        ranks, similarities = _first_search(queries, index, config)
        num_verified = 0 if config.verifier == "none" else min(config.num_rerank, ranks.shape[1])
        if num_verified and not (queries.num_local_features.any() and images.num_local_features.any()):
            logging.warning("No local features in %s: results are not verified.",
                            index_features if queries.num_local_features.any() else query_features)
            num_verified = 0
        num_inliers = np.full(ranks.shape, -1, np.int32)
        transforms = np.full((len(ranks), num_verified, 3, 3), np.nan, np.float32)
        if num_verified:
            with _verifiers(query_features, index_features, config, num_workers, ranks[:, :num_verified].size,
                            queries, images) as verify:
                if config.min_inliers == 0:
                    far_down = _pairs_far_down(ranks, len(index), config)
                    config = _calibrated(config, verify, [feature_rows[rows] for rows in far_down])
                results = verify("Verifying", feature_rows[ranks[:, :num_verified]])
                for query, (counts, found) in enumerate(results):
                    num_inliers[query, :num_verified] = counts
                    transforms[query] = found
            _rerank(ranks, similarities, num_inliers, transforms, queries.global_descriptors, index, config)
    settings = {**dataclasses.asdict(config), "fingerprint": images.config.get("fingerprint", ""),
                "query_features": query_features, "index_features": index_features,
                "ranked_by": ranked_by(read_description(index_dir)["type"]),
                "min_inliers_calibrated": requested["min_inliers"] == 0 != config.min_inliers,
                "requested": requested, "inputs": inputs}
    ranking = Ranking(queries.ids, index.ids, ranks, similarities, num_inliers, transforms, settings)
    write_ranking(output, ranking)
    return ranking


def _check_inputs(queries: FeatureReader, query_features: str, images: FeatureReader, index_features: str,
                  index: ExactIndex | AsmkIndex, index_dir: str) -> None:
    if not queries.ids:
        raise ValueError(f"`query_features` must hold at least one image. Received: {query_features!r}.")
    for setting in _SHARED_SETTINGS:
        ours, theirs = queries.config.get(setting), images.config.get(setting)
        if ours != theirs:
            raise ValueError("`query_features` and `index_features` must be of one model and setting. "
                             f"Received: {setting}={ours!r} in {query_features!r}, {theirs!r} in "
                             f"{index_features!r}.")
    fingerprint = images.config.get("fingerprint", "")
    if index.fingerprint != fingerprint:
        raise ValueError("`index_dir` and `index_features` must be of one model. "
                         f"Received: {index_dir!r} of model {index.fingerprint!r}, {index_features!r} of "
                         f"model {fingerprint!r}.")
    indexed = read_description(index_dir)["features"].get("whitening")
    if isinstance(index, ExactIndex) and indexed != images.config.get("whitening"):
        raise ValueError("`index_dir` and `index_features` must be whitened alike. Received: whitening="
                         f"{indexed!r} in {index_dir!r}, {images.config.get('whitening')!r} in "
                         f"{index_features!r}.")


def _rows_of(index_ids: list[str], feature_ids: list[str], index_features: str) -> np.ndarray:
    """Row in the features of every image of the index; features may hold more, in another order."""
    row_of = {image_id: row for row, image_id in enumerate(feature_ids)}
    missing = [image_id for image_id in index_ids if image_id not in row_of]
    if missing:
        raise ValueError("`index_features` must hold every image of the index. Received: "
                         f"{index_features!r}, which lacks {len(missing)} of {len(index_ids)}: "
                         f"{', '.join(missing[:3])}{', ...' if len(missing) > 3 else ''}.")
    return np.array([row_of[image_id] for image_id in index_ids], np.int64)


def _digest(queries: FeatureReader, images: FeatureReader, index_dir: str) -> str:
    digest = hashlib.sha256(content_digest(read_description(index_dir)).encode())
    for reader in (queries, images):
        digest.update(json.dumps([reader.ids, reader.config], sort_keys=True).encode())
        digest.update(np.ascontiguousarray(reader.global_descriptors))
        digest.update(np.ascontiguousarray(reader.num_local_features))
    return digest.hexdigest()


def _finished(output: str, requested: dict[str, Any], inputs: str) -> Ranking | None:
    try:
        ranking = read_ranking(output)
    except (FileNotFoundError, ValueError):
        return None
    same = (ranking.config.get("requested"), ranking.config.get("inputs")) == (requested, inputs)
    return ranking if same else None


def _first_search(queries: FeatureReader, index: ExactIndex | AsmkIndex,
                  config: SearchConfig) -> tuple[np.ndarray, np.ndarray]:
    """The ranking before verification: by local features where the index is of these."""
    if isinstance(index, AsmkIndex):
        if config.rerankers or config.expand_query:
            raise ValueError("`rerankers` and `expand_query` must be off where `index_dir` is an index of "
                             "local features: they move global descriptors. Received: "
                             f"rerankers={config.rerankers!r}, expand_query={config.expand_query}.")
        return index.search((queries.local_features(row).descriptors for row in range(len(queries))),
                            config.num_neighbors)
    if not config.rerankers:
        return index.search(queries.global_descriptors, config.num_neighbors)
    return stack.rerank(queries.global_descriptors, index.descriptors, config, index.search)


def _pairs_far_down(ranks: np.ndarray, num_index: int, config: SearchConfig) -> list[np.ndarray]:
    """Per query, random index rows outside the first half of its ranking: next to none of them match.

    Of more queries than pairs are wanted, as many, evenly spaced; the others have none.
    """
    generator = np.random.default_rng(config.seed)
    per_query = -(-CALIBRATION_PAIRS // len(ranks))
    chosen = [np.empty(0, np.int64)] * len(ranks)
    for query in np.unique(np.linspace(0, len(ranks) - 1, min(len(ranks), CALIBRATION_PAIRS)).astype(int)):
        far = np.delete(np.arange(num_index), ranks[query][:num_index // 2])
        chosen[query] = generator.choice(far, min(per_query, far.size), replace=False)
    return chosen


def _calibrated(config: SearchConfig, verify, rows: list[np.ndarray]) -> SearchConfig:
    num_pairs = sum(map(len, rows))
    if num_pairs < 100:
        logging.warning("Only %d pairs to calibrate the least number of inliers on; taking %d. "
                        "Set --min_inliers for another.", num_pairs, DEFAULT_MIN_INLIERS)
        return dataclasses.replace(config, min_inliers=DEFAULT_MIN_INLIERS)
    counts = np.concatenate([counts for counts, _ in verify("Calibrating", rows)])
    floor = verification.calibrate_min_inliers(counts)
    logging.info("Fewer than %d inliers count as none: calibrated on %d pairs.", floor, num_pairs)
    return dataclasses.replace(config, min_inliers=floor)


def _rerank(ranks: np.ndarray, similarities: np.ndarray, num_inliers: np.ndarray, transforms: np.ndarray,
            queries: np.ndarray, index: ExactIndex | AsmkIndex, config: SearchConfig) -> None:
    """Puts each query's results into their final order, the verified before the others; in place."""
    num_verified = transforms.shape[1]
    for query in range(len(ranks)):
        descriptors = index.descriptors[ranks[query]] if config.expand_query else None
        order = verified_order.verified_order(similarities[query], num_inliers[query], num_verified, config,
                                         queries[query], descriptors)
        for array in (ranks, similarities, num_inliers):
            array[query] = array[query, order]
        transforms[query] = transforms[query, order[:num_verified]]


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
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    cv2.setNumThreads(1)
    _worker = _QueryVerifier(FeatureReader(query_features), FeatureReader(index_features), config)


def _verify_in_worker(query: int, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return _worker(query, rows)


@contextlib.contextmanager
def _verifiers(query_features: str, index_features: str, config: SearchConfig, num_workers: int,
               num_pairs: int, queries: FeatureReader, images: FeatureReader) -> Iterator:
    """A function from (title, rows of `images` for every query) to an iterator over (counts, transforms)."""
    if num_workers == 0:
        num_workers = min(os.cpu_count() or 1, len(queries.ids)) if num_pairs >= _PAIRS_WORTH_A_POOL else 1
    if num_workers == 1:
        here = _QueryVerifier(queries, images, config)
        yield lambda title, rows: _tracked(title, map(here, range(len(rows)), rows), len(rows))
        return
    with _environment(dict.fromkeys(_THREAD_LIMITS, "1")):  # one thread each: the processes share the work
        pool = concurrent.futures.ProcessPoolExecutor(
            num_workers, multiprocessing.get_context("spawn"), _start_worker,
            (query_features, index_features, config))
        try:
            yield lambda title, rows: _tracked(
                title, pool.map(_verify_in_worker, range(len(rows)), rows), len(rows))
        except concurrent.futures.process.BrokenProcessPool as error:
            raise OSError("A verifying process was ended from outside, most likely for want of memory: lower "
                          f"`num_workers`. Received: num_workers={num_workers}.") from error
        finally:
            pool.shutdown(cancel_futures=True)


def _tracked(title: str, results: Iterator, total: int) -> Iterator:
    console = rich.console.Console(stderr=True)
    yield from rich.progress.track(results, title, total, console=console, disable=not console.is_terminal)


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
