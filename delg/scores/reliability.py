"""How far probabilities can be believed: reliability curve, calibration error, thresholds (numpy)."""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Reliability:
    """What was said and what was so, in bins of equal width of the probability.

    Attributes:
        counts: int64, [num_bins], cases of each bin.
        said: float64, [num_bins], mean probability; NaN in an empty bin.
        so: float64, [num_bins], share of cases that were true; NaN in an empty bin.
    """

    counts: np.ndarray
    said: np.ndarray
    so: np.ndarray

    @property
    def expected_calibration_error(self) -> float:
        """Mean over cases of |said - so| of their bins.

        Source: Naeini et al., "Obtaining well calibrated probabilities using Bayesian binning", AAAI 2015.
        """
        filled = self.counts > 0
        gaps = np.abs(self.said - self.so)[filled]
        return float(gaps @ self.counts[filled] / self.counts.sum())


def reliability(probabilities: np.ndarray, labels: np.ndarray, num_bins: int = 10) -> Reliability:
    """The reliability curve.

    Source: Niculescu-Mizil and Caruana, "Predicting good probabilities with supervised learning", ICML 2005,
    section 2, for the curve in ten bins.

    Args:
        probabilities: float, [N], in [0, 1], N at least 1.
        labels: bool, [N].
        num_bins: bins of equal width.
    """
    bins = np.minimum((np.asarray(probabilities) * num_bins).astype(int), num_bins - 1)
    counts = np.bincount(bins, minlength=num_bins)
    with np.errstate(invalid="ignore"):
        said, so = (np.bincount(bins, values, num_bins) / counts for values in (probabilities, labels))
    return Reliability(counts, said, so)


def threshold_of_precision(probabilities: np.ndarray, labels: np.ndarray, precision: float) -> float:
    """The least threshold from which on at least this share of cases are true; 1 if there is none.

    Args:
        probabilities: float, [N], in [0, 1]; cases at the threshold count.
        labels: bool, [N].
        precision: in (0, 1].
    """
    order = np.argsort(-np.asarray(probabilities), kind="stable")
    sorted_probabilities = np.asarray(probabilities)[order]
    precisions = np.cumsum(np.asarray(labels)[order]) / np.arange(1, len(order) + 1)
    is_last = np.append(sorted_probabilities[1:] < sorted_probabilities[:-1], True)  # of equal ones
    enough = np.flatnonzero(is_last & (precisions >= precision))
    return float(sorted_probabilities[enough[-1]]) if enough.size else 1.0
