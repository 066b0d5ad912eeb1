"""Scores in percent: numbers as metrics.json holds them, words as tables and pages show them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from delg.scores.metrics import bootstrap_interval, mean_over_queries


def percent(value: float, digits: int | None = None) -> float | None:
    """A score in [0, 1] in percent, rounded to some digits or as it is; None, as JSON has no NaN, for NaN."""
    if math.isnan(value):
        return None
    return 100 * float(value) if digits is None else round(100 * float(value), digits)


def mean_and_interval(name: str, values: np.ndarray, digits: int | None = None,
                      seed: int = 0) -> dict[str, Any]:
    """`{NAME: mean, NAME_interval: [low, high]}` over queries, in percent; None where no query counts.

    Args:
        name: of the score.
        values: float, [Q], in [0, 1]; NaN for queries left out.
        digits: to round to; None: not rounded.
        seed: of the bootstrap, see `metrics.bootstrap_interval`.
    """
    return {name: percent(mean_over_queries(values), digits),
            f"{name}_interval": [percent(bound, digits) for bound in bootstrap_interval(values, seed=seed)]}


def text(value: float | None, digits: int = 1, sign: str = "") -> str:
    """A number with some digits after the point, a dash for None; `sign` "+" shows that of gains too."""
    return "–" if value is None else f"{value:{sign}.{digits}f}"
