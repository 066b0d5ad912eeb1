"""Evaluation of retrieval by codes, of classes trained on and of classes never trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from data_prep.stage.settings import require
from delg.scores.metrics import mean_over_queries
from delg.scores.percent import mean_and_interval, percent
from delg.vectors.unit import unit_vectors
from hashing.codes import codes
from hashing.codes.code_shards import EncodedImages
from hashing.scores import metrics

CUTOFFS = (1, 5, 10, 100)
RADIUS = 2  # bits, of P@H<=2
_QUERIES_AT_ONCE = 256  # a block of the distance matrix; chosen


def evaluate(queries: EncodedImages, index: EncodedImages, num_classes: int = 0,
             seed: int = 0) -> dict[str, Any]:
    """Scores of searching the index with every query; an image is relevant if it has the query's class.

    Ties of Hamming distances count by their expected value over all orders, see `metrics`.

    Args:
        queries: with labels.
        index: with labels; of the same model.
        num_classes: classes that were trained on have the labels below. Then those from it on are scored
            apart, queries of them against index images of them, under "unseen"; and queries of either
            against the whole index, as "mAP_in_all". 0: all are one.
        seed: of the intervals.

    Returns:
        {"mAP", "mAP_interval", "mAP@1", ... of CUTOFFS, "precision_within_2", "asymmetric": {"mAP"} of real
        values against bits, "real_valued": {"mAP"} and, where features were kept, "features": {"mAP"} of
        cosine retrieval, all in percent; "codes": what
        `describe_codes` says of the index; "curve": {"precision", "recall"} in [0, 1] by distance 0..K;
        "num_queries", "num_index", "code_size"} and, where there are such, "unseen" with the same inside and
        "mAP_in_all" with its interval in both. Null: no query has a relevant image.

    Raises:
        ValueError: codes of two models, images without labels, or no query or index image of such classes.
    """
    _check(queries, index)
    if not num_classes:
        return _scores(queries, index, seed)
    seen = [images.take(images.labels < num_classes) for images in (queries, index)]
    unseen = [images.take(images.labels >= num_classes) for images in (queries, index)]
    for part in seen:
        require(len(part) > 0, "Queries and index must have images of classes below `num_classes`.",
                num_classes=num_classes, queries=len(seen[0]), index=len(seen[1]))
    result = _scores(*seen, seed)
    if all(map(len, unseen)):
        result |= _scores_in_all(seen[0], index, seed)
        result["unseen"] = _scores(*unseen, seed) | _scores_in_all(unseen[0], index, seed)
    return result


def _check(queries: EncodedImages, index: EncodedImages) -> None:
    for name in ("fingerprint", "code_size"):
        own, other = queries.config.get(name), index.config.get(name)
        require(own == other, f"Codes of queries and index must be of one model; `{name}` differs.",
                queries=own, index=other)
    for name, images in (("queries", queries), ("index", index)):
        without = [image_id for image_id, label in zip(images.ids, images.labels) if label < 0]
        require(len(images) > 0, "There must be images to evaluate.", **{name: len(images)})
        require(not without, f"Images of {name} must have labels to be evaluated.",
                **{"without label": len(without), "such as": without[:1]})


def _scores(queries: EncodedImages, index: EncodedImages, seed: int) -> dict[str, Any]:
    index_bits = codes.unpack(index.packed_codes, index.code_size)
    counts = count_codes(codes.unpack(queries.packed_codes, queries.code_size), queries.labels, index_bits,
                         index.labels)
    result = code_scores(counts, seed)
    result["asymmetric"] = _similarity_scores(
        lambda rows: codes.asymmetric_similarities(queries.values[rows], index_bits), queries.labels,
        index.labels, seed)
    result["real_valued"] = cosine_scores(queries.values, queries.labels, index.values, index.labels, seed)
    if queries.features.shape[1] and queries.features.shape[1] == index.features.shape[1]:
        result["features"] = cosine_scores(queries.features, queries.labels, index.features, index.labels,
                                           seed)
    return {**result, "codes": describe_codes(index_bits),
            "num_queries": len(queries), "num_index": len(index), "code_size": index.code_size}


def _scores_in_all(queries: EncodedImages, index: EncodedImages, seed: int) -> dict[str, Any]:
    counts = count_codes(codes.unpack(queries.packed_codes, queries.code_size), queries.labels,
                         codes.unpack(index.packed_codes, index.code_size), index.labels)
    return mean_and_interval("mAP_in_all", metrics.average_precisions(counts), seed=seed)


def count_codes(query_bits: np.ndarray, query_labels: np.ndarray, index_bits: np.ndarray,
                index_labels: np.ndarray) -> metrics.DistanceCounts:
    """Images and relevant images at each distance of each query.

    Args:
        query_bits: uint8, [Q, K], 0 or 1.
        query_labels: int, [Q].
        index_bits: uint8, [N, K].
        index_labels: int, [N].
    """
    def count(rows: slice) -> metrics.DistanceCounts:
        return metrics.count_distances(codes.hamming_distances(query_bits[rows], index_bits),
                                       query_labels[rows, None] == index_labels, index_bits.shape[1])

    return metrics.DistanceCounts(*map(np.concatenate, zip(*_by_blocks(len(query_bits), count))))


def code_scores(counts: metrics.DistanceCounts, seed: int = 0) -> dict[str, Any]:
    """The part of `evaluate`'s scores that follows from counts by distance."""
    precision, recall = metrics.precision_recall(counts)
    within = np.where(counts.relevant.sum(axis=1) > 0, metrics.precisions_within(counts, RADIUS), np.nan)
    return {**mean_and_interval("mAP", metrics.average_precisions(counts), seed=seed),
            **{f"mAP@{k}": percent(mean_over_queries(metrics.average_precisions(counts, k)))
               for k in CUTOFFS},
            f"precision_within_{RADIUS}": percent(mean_over_queries(within)),
            "curve": {"precision": _listed(precision), "recall": _listed(recall)}}


def cosine_scores(query_vectors: np.ndarray, query_labels: np.ndarray, index_vectors: np.ndarray,
                  index_labels: np.ndarray, seed: int = 0) -> dict[str, Any]:
    """{"mAP", "mAP_interval"} in percent of ranking by the cosine of real-valued vectors.

    Args:
        query_vectors: float, [Q, D].
        query_labels: int, [Q].
        index_vectors: float, [N, D].
        index_labels: int, [N].
    """
    query_vectors, index_vectors = unit_vectors(query_vectors), unit_vectors(index_vectors)
    return _similarity_scores(lambda rows: query_vectors[rows] @ index_vectors.T, query_labels, index_labels,
                              seed)


def _similarity_scores(similarities: Callable[[slice], np.ndarray], query_labels: np.ndarray,
                       index_labels: np.ndarray, seed: int) -> dict[str, Any]:
    def score(rows: slice) -> np.ndarray:
        return metrics.average_precisions(metrics.count_ranks(
            similarities(rows), query_labels[rows, None] == index_labels))

    average_precision = np.concatenate(list(_by_blocks(len(query_labels), score)))
    return mean_and_interval("mAP", average_precision, seed=seed)


def describe_codes(bits: np.ndarray) -> dict[str, float]:
    """How well codes use their bits: entropy (mean and least over bits), correlation, collisions.

    Args:
        bits: uint8, [N, K], 0 or 1.
    """
    entropies = codes.bit_entropies(bits)
    return {"entropy": float(entropies.mean()), "least_entropy": float(entropies.min()),
            "correlation": codes.bit_correlation(bits), "collisions": codes.collision_rate(codes.pack(bits))}


def _by_blocks(count: int, function: Callable[[slice], Any]) -> Iterator[Any]:
    for start in range(0, count, _QUERIES_AT_ONCE):
        yield function(slice(start, start + _QUERIES_AT_ONCE))


def _listed(values) -> list[float | None]:
    """Numbers that JSON can hold; None for NaN."""
    return [float(value) if np.isfinite(value) else None for value in values]
