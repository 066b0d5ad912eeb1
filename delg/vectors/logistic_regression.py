"""Logistic regression with no weight below 0, so that more of a good thing never counts against (SciPy)."""

from __future__ import annotations

import numpy as np

from data_prep.stage.lazy_module import LazyModule

optimize = LazyModule("scipy.optimize")  # a sixth of a second, which only fitting needs


def probabilities(inputs: np.ndarray, weights: np.ndarray, bias: float) -> np.ndarray:
    """1 / (1 + exp(-(inputs @ weights + bias))): float64 [N]."""
    return _logistic(np.asarray(inputs, np.float64) @ weights + bias)


def _logistic(logits: np.ndarray) -> np.ndarray:
    return (1 + np.tanh(logits / 2)) / 2  # exp would overflow


def fit(inputs: np.ndarray, labels: np.ndarray, l2: float = 1.0,
        sample_weights: np.ndarray | None = None) -> tuple[np.ndarray, float]:
    """Weights, none below 0, and bias of greatest likelihood, less `l2` / 2 times the squared weights.

    Labels are moved off 0 and 1 by what one more pair of each kind would do, so that separable data have
    finite weights.
    Source: Platt, "Probabilistic outputs for support vector machines", 1999, section 2.2, for these targets.

    Args:
        inputs: float, [N, D], of like scale, such that more speaks for True.
        labels: bool, [N], both kinds.
        l2: at least 0; the bias is free.
        sample_weights: float, [N], positive; None: 1 each.

    Returns:
        weights: float64, [D].
        bias.

    Raises:
        ValueError: if one of the two labels does not occur.
    """
    inputs, labels = np.asarray(inputs, np.float64), np.asarray(labels, bool)
    true, false = np.count_nonzero(labels), np.count_nonzero(~labels)
    if not (true and false):
        raise ValueError(f"A logistic regression takes both labels. Received: {true} true, {false} false.")
    targets = np.where(labels, (true + 1) / (true + 2), 1 / (false + 2))
    counts = np.ones(len(inputs)) if sample_weights is None else sample_weights

    def loss(solution: np.ndarray) -> tuple[float, np.ndarray]:
        weights, logits = solution[:-1], inputs @ solution[:-1] + solution[-1]
        errors = counts * (_logistic(logits) - targets)
        likelihood = counts @ (np.logaddexp(0, logits) - targets * logits)
        return (likelihood + l2 / 2 * weights @ weights,
                np.append(inputs.T @ errors + l2 * weights, errors.sum()))

    bounds = [(0, None)] * inputs.shape[1] + [(None, None)]
    found = optimize.minimize(loss, np.zeros(len(bounds)), jac=True, method="L-BFGS-B", bounds=bounds,
                                    options={"maxiter": 10_000, "ftol": 1e-13, "gtol": 1e-8})
    return found.x[:-1], float(found.x[-1])
