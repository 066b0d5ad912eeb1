"""A VAE on disk: a directory with `config.json` and weight files.

`config.json` holds {"model": ModelConfig, "train": TrainConfig, "best": {"epoch", "step", "val_loss"} or
null}; weights are `last.weights.h5` and, after a training with validation images, `best.weights.h5`, in the
format of Keras.
"""

from __future__ import annotations

from typing import Any

import keras

from delg.networks import model_files
from vae.networks.config import ModelConfig
from vae.networks.model import build_vae


def load_vae(model_dir: str, weights: str = "last") -> tuple[keras.Model, dict[str, Any]]:
    """A trained VAE and the contents of its `config.json`.

    Args:
        model_dir: written by `training.train`.
        weights: "last", or "best": by validation loss.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is not what it should be.
    """
    return model_files.load_model(model_dir, weights, ModelConfig, build_vae)
