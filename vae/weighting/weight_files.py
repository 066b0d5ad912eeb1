"""Channel weights on disk: one JSON file.

`{"layers": {LAYER: [C numbers, not negative, mean square 1]}, "config": settings of the training,
"sha256": of this}`;
the last layer is the latent.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from data_prep.stage import files
from data_prep.stage.stored_settings import refuse_unknown
from vae.weighting.config import WeightTrainConfig


def write_channel_weights(path: str, layers: Mapping[str, np.ndarray], config: Mapping[str, Any]) -> None:
    """Writes the weights, float [C], of each layer."""
    files.write_checked_json(path, {"layers": {name: np.asarray(weights, np.float64).round(7).tolist()
                                               for name, weights in layers.items()}, "config": dict(config)})


def read_channel_weights(path: str) -> dict[str, np.ndarray]:
    """Layer name to weights, float32 [C].

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not what `write_channel_weights` writes.
    """
    what = "a file of vae.train_channel_weights"
    content = files.read_checked_json(path, what)
    try:
        layers = {name: np.array(weights, np.float32) for name, weights in content["layers"].items()}
        refuse_unknown([field.name for field in dataclasses.fields(WeightTrainConfig)],
                       content.get("config", {}), "its config")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} must be {what}. Received: {error!r}.") from error
    for name, weights in layers.items():
        if weights.ndim != 1 or not np.isfinite(weights).all() or (weights < 0).any():
            raise ValueError(f"Channel weights must be finite and not negative. Received: layer {name!r} of "
                             f"{path}.")
    return layers
