"""A hashing model on disk: a directory with `config.json` and weight files.

`config.json` holds {"model": ModelConfig, "train": TrainConfig, "num_classes", "best": {"epoch", "step",
"validation_map"} or null} (step counts those in which codes settle too; then there is a best without
validation, and no score), and of a model of `hashing.adapt_codes` "adapted", its settings and the
"fingerprint" of the model it came from; weights are `last.weights.h5` and `best.weights.h5`, in the format of
Keras.
"""

from __future__ import annotations

from typing import Any

import keras

from delg.networks import model_files
from hashing.networks.config import ModelConfig
from hashing.networks.model import build_hashing


def load_hashing(model_dir: str, weights: str = "best") -> tuple[keras.Model, dict[str, Any]]:
    """A trained hashing model and the contents of its `config.json`.

    Args:
        model_dir: written by `training.train`.
        weights: "best" (by validation mAP; the last without validation) or "last".

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is not what it should be.
    """
    return model_files.load_model(model_dir, weights, ModelConfig, build_hashing)
