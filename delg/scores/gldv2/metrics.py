"""Scores of Google Landmarks v2: recognition (µAP) and retrieval (mAP@100), on plain dicts.

Source: Weyand et al., "Google Landmarks Dataset v2", https://arxiv.org/abs/2004.01804, section 5.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np


def _require_known(ids: Iterable[str], solution: Mapping[str, Collection]) -> None:
    unknown = next((image for image in ids if image not in solution), None)
    if unknown is not None:
        raise ValueError(f"Every predicted image must be in the solution. Received: {unknown!r}.")


def micro_average_precision(predictions: Mapping[str, tuple[int | str, float]],
                            solution: Mapping[str, Collection[int | str]],
                            ignore_without_landmark: bool = False) -> float:
    """µAP (also GAP) of landmark recognition: one list of all predictions, surest first.

    Each correct prediction adds the precision of the list down to it; the sum is divided by the number of
    images that show a landmark. A prediction on an image without one counts as wrong. Ties of the
    score are broken by image id, then by landmark.

    Args:
        predictions: image id -> (landmark, score); images left out have no prediction.
        solution: image id -> its landmarks; empty where the image shows none.
        ignore_without_landmark: leave out predictions on images that show no landmark.

    Returns:
        Score in [0, 1]; NaN when no image shows a landmark.

    Raises:
        ValueError: if a predicted image is not in the solution.
    """
    _require_known(predictions, solution)
    num_with_landmark = sum(bool(landmarks) for landmarks in solution.values())
    if not num_with_landmark:
        return float("nan")
    ordered = sorted((-score, image, landmark) for image, (landmark, score) in predictions.items()
                     if solution[image] or not ignore_without_landmark)
    correct = np.array([landmark in solution[image] for _, image, landmark in ordered], bool)
    precision = np.cumsum(correct) / np.arange(1, correct.size + 1)
    return float(precision[correct].sum() / num_with_landmark)


def top_1_accuracy(predictions: Mapping[str, tuple[int | str, float]],
                   solution: Mapping[str, Collection[int | str]]) -> float:
    """Share of the images with a landmark whose predicted landmark is right; NaN when there are none."""
    _require_known(predictions, solution)
    with_landmark = [image for image, landmarks in solution.items() if landmarks]
    if not with_landmark:
        return float("nan")
    return sum(image in predictions and predictions[image][0] in solution[image]
               for image in with_landmark) / len(with_landmark)


def retrieval_average_precision(ranking: Sequence[str], relevant: Collection[str], k: int = 100) -> float:
    """Mean over the relevant images of the precision at their place, within the first k.

    A repeated image is skipped but still takes up its place. Divided by min(number relevant, k).

    Args:
        ranking: image ids, best first.
        relevant: ids that should be found.
        k: results looked at.

    Returns:
        Score in [0, 1]; 0 for an empty ranking and for a query with nothing to find.
    """
    relevant = set(relevant)
    total, num_correct, seen = 0.0, 0, set()
    for place, image in enumerate(ranking[:k], start=1):
        if image in relevant and image not in seen:
            num_correct += 1
            total += num_correct / place
        seen.add(image)
    return total / min(len(relevant), k) if relevant else 0.0


def mean_average_precision(rankings: Mapping[str, Sequence[str]], solution: Mapping[str, Collection[str]],
                           k: int = 100) -> float:
    """mAP@k over all queries of the solution; a query without a ranking scores 0.

    Args:
        rankings: query id -> index ids, best first.
        solution: query id -> relevant index ids.

    Raises:
        ValueError: if a ranked query is not in the solution.
    """
    _require_known(rankings, solution)
    if not solution:
        return float("nan")
    return float(np.mean([retrieval_average_precision(rankings.get(query, ()), relevant, k)
                          for query, relevant in solution.items()]))


def mean_precisions(rankings: Mapping[str, Sequence[str]], solution: Mapping[str, Collection[str]],
                    cutoffs: Sequence[int] = (1, 5, 10, 50, 100)) -> dict[int, float]:
    """Mean precision at each cutoff k over all queries; what a short ranking lacks counts as wrong."""
    _require_known(rankings, solution)
    return {k: float(np.mean([len(set(rankings.get(query, ())[:k]) & set(relevant)) / k
                              for query, relevant in solution.items()])) for k in cutoffs}


def first_correct_places(rankings: Mapping[str, Sequence[str]], solution: Mapping[str, Collection[str]],
                         k: int = 100) -> np.ndarray:
    """One-based place of the first relevant image of every query; k + 1 where the first k hold none.

    Returns:
        int64, [Q], in the order of `solution`; its mean and median are the published figures.
    """
    _require_known(rankings, solution)
    return np.array([next((place for place, image in enumerate(rankings.get(query, ())[:k], start=1)
                           if image in relevant), k + 1) for query, relevant in solution.items()], np.int64)
