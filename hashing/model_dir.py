"""A hashing model on disk: a directory with `config.json` and weight files.

`config.json` holds {"model": ModelConfig, "train": TrainConfig, "num_classes", "best": {"epoch", "step",
"validation_map"} or null}; weights are `last.weights.h5` and `best.weights.h5`, in the format of Keras.
"""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import keras

from delg import model_files
from hashing.config import ModelConfig
from hashing.model import build_hashing


def load_hashing(model_dir: str, weights: str = "best") -> tuple[keras.Model, dict[str, Any]]:
    """A trained hashing model and the contents of its `config.json`.

    Args:
        model_dir: written by `training.train`.
        weights: "best" (by validation mAP; the last without validation) or "last".

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
    model = build_hashing(config)
    model_files.load_weights(model, model_files.weight_path(model_dir, weights))
    return model, stored
