"""Model directories as training leaves them, with random weights."""

import dataclasses
import os

import keras

from delg import model_files
from hashing.config import ModelConfig
from hashing.model import build_hashing

MODEL = ModelConfig(backbone="resnet18", width=0.125, image_size=32, code_size=16, code_batch_norm=True)


def write_model_dir(model_dir, seed=0, model=MODEL):
    """Writes config.json and the weights; returns the model."""
    keras.utils.set_random_seed(seed)
    network = build_hashing(model)
    os.makedirs(model_dir, exist_ok=True)
    model_files.write_config(model_dir, {"model": dataclasses.asdict(model), "train": {}, "num_classes": 4,
                                         "best": None})
    for kind in model_files.WEIGHT_FILES:
        model_files.save_weights(network, model_files.weight_path(model_dir, kind))
    return network
