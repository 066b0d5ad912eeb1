"""Retrieval among held-out images: how training is judged, on classes it never saw."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from delg.scores.metrics import average_precision


def retrieval_map(descriptors: np.ndarray, labels: np.ndarray) -> float:
    """Mean average precision when each image in turn queries all others.

    Images alone in their class are not queries but are searched among. Equal similarities keep the order of
    the images.

    Args:
        descriptors: float, [N, D], unit norm.
        labels: int, [N].

    Returns:
        Mean in [0, 1].

    Raises:
        ValueError: no class has two images.
    """
    labels = np.asarray(labels)
    similarities = np.asarray(descriptors, np.float32) @ np.asarray(descriptors, np.float32).T
    precisions = []
    for query, row in enumerate(similarities):
        order = np.argsort(-row, kind="stable")
        order = order[order != query]
        positive_ranks = np.flatnonzero(labels[order] == labels[query])
        if positive_ranks.size:
            precisions.append(average_precision(positive_ranks, positive_ranks.size))
    if not precisions:
        raise ValueError("Held-out images must include two of one class. "
                         f"Received: {labels.size} images of as many classes.")
    return float(np.mean(precisions))


def describe(batches: Iterable, embed: Callable, max_images: int) -> tuple[np.ndarray, np.ndarray]:
    """Descriptors and labels of the first images of some batches.

    Args:
        batches: pairs (images [B, H, W, 3], labels [B]).
        embed: images to descriptors [B, D].
        max_images: where to stop.

    Returns:
        float32 [N, D] and int [N].
    """
    descriptors, labels, seen = [], [], 0
    for images, batch_labels in batches:
        kept = min(len(batch_labels), max_images - seen)
        descriptors.append(np.asarray(embed(images))[:kept])
        labels.append(np.asarray(batch_labels)[:kept])
        seen += kept
        if seen >= max_images:
            break
    return np.concatenate(descriptors), np.concatenate(labels)
