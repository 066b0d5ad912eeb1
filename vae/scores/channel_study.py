"""Study of channel weights: the share of the channels that carries the triplet loss."""

from __future__ import annotations

from typing import Any

import numpy as np

from vae.data.photographs import Photographs
from vae.latents.latent_features import layer_features
from vae.latents.latents import LatentEncoder
from vae.weighting.distances import Distance
from vae.weighting.triplets import TripletSampler
from vae.weighting.weight_training import feature_similarities

_NUM_TRIPLETS = 512
_BATCH_SIZE = 64
CLAIMED_SHARE = 0.08  # of the channels; the original's README
_SHARES = (0.02, 0.04, 0.06, CLAIMED_SHARE, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0)


def study_channels(encoder: LatentEncoder, photographs: Photographs, weights: np.ndarray,
                   distance: Distance,
                   margin: float, num_hard: int, seed: int = 0) -> dict[str, Any]:
    """Triplets of photographs before and after weighting, and with the heaviest channels only.

    `{"unweighted": T, "weighted": T, "heaviest": [{"share", "num_channels", "rest_loss", **T}],
    "share_needed", "share_of_weight"}` with T = {"loss", "accuracy", "distance_ratio"}: loss in units of the
    unweighted mean distance of negatives, ratio of positives' to negatives' mean distance. `rest_loss` is
    that of all other channels. `share_needed`: the least share of channels tried whose loss is within 5 % of
    that of all, weighted; `share_of_weight`: the share that holds 90 % of the squared weights.

    Args:
        encoder: frozen.
        photographs: of places that the weights were not learnt on.
        weights: float [C], of the latent.
        distance: that the weights were learnt for.
        margin: of the loss, in that unit.
        num_hard: see `TripletSampler`.
        seed: of the triplets.
    """
    name = encoder.layer_names[-1]
    features = layer_features(encoder, photographs, [name], distance.features)[name]
    sampler = TripletSampler(photographs, feature_similarities(features), num_hard, seed)
    rows = sampler.draw(0, _NUM_TRIPLETS)
    unit = _distances(features, rows, np.ones_like(weights), distance)[:, 1].mean()

    def triplets(factors: np.ndarray) -> dict[str, float]:
        factors = factors / max(float(np.sqrt(np.mean(factors**2))), 1e-12)
        found = _distances(features, rows, factors, distance) / unit
        return {"loss": round(float(np.maximum(0, found[:, 0] - found[:, 1] + margin).mean()), 6),
                "accuracy": round(100 * float((found[:, 0] < found[:, 1]).mean()), 4),
                "distance_ratio": round(float(found[:, 0].mean() / found[:, 1].mean()), 6)}

    order = np.argsort(-weights, kind="stable")
    heaviest = []
    for share in _SHARES:
        kept = np.zeros_like(weights)
        count = max(1, round(share * len(weights)))
        kept[order[:count]] = weights[order[:count]]
        rest = weights - kept
        heaviest.append({"share": share, "num_channels": count, **triplets(kept),
                         "rest_loss": triplets(rest)["loss"] if rest.any() else None})
    weighted = triplets(weights)
    squares = np.cumsum(np.sort(weights**2)[::-1])
    return {"unweighted": triplets(np.ones_like(weights)), "weighted": weighted, "heaviest": heaviest,
            "share_needed": next(entry["share"] for entry in heaviest
                                 if entry["loss"] <= 1.05 * weighted["loss"] or entry["share"] == 1.0),
            "share_of_weight": round(float((np.searchsorted(squares, 0.9 * squares[-1]) + 1)
                                           / len(weights)), 4)}


def _distances(features: np.ndarray, rows: np.ndarray, factors: np.ndarray,
               distance: Distance) -> np.ndarray:
    """From anchor to positive and negative, float [T, 2]."""
    found = []
    for start in range(0, len(rows), _BATCH_SIZE):
        anchor, positive, negative = (
            (features[part].astype(np.float32) * factors).astype(np.float32)
            for part in rows[start:start + _BATCH_SIZE].T)
        found.append(np.stack([distance.between(anchor, other).numpy()
                               for other in (positive, negative)], axis=1))
    return np.concatenate(found)
