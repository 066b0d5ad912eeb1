"""Scores of rankings, as the benchmarks count and print them."""

import numpy as np

from delg.features.reader import FeatureReader
from delg.scores import metrics
from delg.scores.ground_truth import GroundTruth


def score_rows(ranks: np.ndarray, queries: FeatureReader, images: FeatureReader,
               truth: GroundTruth) -> dict[str, metrics.ProtocolScores]:
    """Scores of whole rankings: `ranks` int [Q, N], rows of `images` for each of `queries`."""
    places = {image: row for row, image in enumerate(images.ids)}
    row_of = np.array([places[image] for image in truth.index_ids])
    asked = {image: row for row, image in enumerate(queries.ids)}
    return metrics.score_queries(ranks[[asked[image] for image in truth.query_ids]], len(images.ids), *(
        [row_of[rows] for rows in sets] for sets in (truth.easy, truth.hard, truth.junk)))


def mean_and_interval(values: np.ndarray, sign: str = "") -> str:
    """Mean over queries and its 95 % bootstrap interval, percent; values in [0, 1] or their differences."""
    low, high = metrics.bootstrap_interval(values)
    return (f"{100 * metrics.mean_over_queries(values):{sign}.1f} "
            f"[{100 * low:{sign}.1f}, {100 * high:{sign}.1f}]")
