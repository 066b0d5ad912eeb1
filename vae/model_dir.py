"""A VAE on disk: a directory with `config.json` and weight files.

`config.json` holds {"model": ModelConfig, "train": TrainConfig, "best": {"epoch", "step", "val_loss"} or
null}; weights are `last.weights.h5` and, after a training with validation images, `best.weights.h5`, in the
format of Keras.
"""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import keras

from delg import model_files
from vae.config import ModelConfig
from vae.model import build_vae


def load_vae(model_dir: str, weights: str = "last") -> tuple[keras.Model, dict[str, Any]]:
    """A trained VAE and the contents of its `config.json`.

    Args:
        model_dir: written by `training.train`.
        weights: "last", or "best": by validation loss.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is not what it should be.
    """
    if weights not in model_files.WEIGHT_FILES:
        raise ValueError(f"`weights` must be best or last. Received: weights={weights!r}.")
    stored = model_files.read_config(model_dir)
    try:
        config = ModelConfig(**stored["model"])
    except TypeError as error:
        names = [field.name for field in dataclasses.fields(ModelConfig)]
        path = os.path.join(model_dir, model_files.CONFIG_FILE)
        raise ValueError(f"\"model\" in {path} must have the fields {', '.join(names)}. "
                         f"Received: {sorted(stored['model'])}.") from error
    model = build_vae(config)
    model_files.load_weights(model, model_files.weight_path(model_dir, weights))
    return model, stored
