"""A model on disk: a directory with `config.json` and weight files.

`config.json` holds {"model": ModelConfig, "train": TrainConfig, "best": {"epoch", "step", score by its name}
or null, "sha256"}, that of DELG "attention_threshold" too, number or null, and "started_from", SHA-256 of the
weights of another run or null; weights are `best.weights.h5` and `last.weights.h5`, and of trainings that
look back at them `start.weights.h5`, in the format of Keras.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable
from typing import Any

import h5py
import keras
import numpy as np
from keras.src.saving import saving_lib

from data_prep.stage import files, hdf5_files, stored_settings

CONFIG_FILE = "config.json"
WEIGHT_FILES = {"best": "best.weights.h5", "last": "last.weights.h5", "start": "start.weights.h5"}


def write_config(model_dir: str, config: dict[str, Any]) -> None:
    """Writes `config.json`, whole or not at all."""
    files.write_checked_json(os.path.join(model_dir, CONFIG_FILE), config)


def read_config(model_dir: str) -> dict[str, Any]:
    """What `config.json` holds.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is not what this project writes.
    """
    path = os.path.join(model_dir, CONFIG_FILE)
    if not os.path.isfile(path):
        raise FileNotFoundError(f"`model_dir` must hold {CONFIG_FILE}, written by training. "
                                f"No such file: {path}.")
    config = files.read_checked_json(path)
    if not isinstance(config.get("model"), dict):
        raise ValueError(f"{path} must hold an object with the key \"model\".")
    return config


def model_config(config: dict[str, Any], config_class: type, source: str = CONFIG_FILE) -> Any:
    """The ModelConfig, of any of the models, in the contents of a `config.json`.

    Raises:
        ValueError: fields are missing, unknown or out of range; the message names `source`.
    """
    return stored_settings.from_stored(config_class, config["model"], f"\"model\" in {source}")


def write_untrained(model_dir: str, model: keras.Model, config: Any, **contents: Any) -> None:
    """Writes a model directory as training would find it before its first step.

    Args:
        model_dir: made where it does not exist.
        model: whose weights are kept as the best.
        config: ModelConfig of the model.
        contents: what `config.json` holds besides.
    """
    os.makedirs(model_dir, exist_ok=True)
    save_weights(model, weight_path(model_dir, "best"))
    write_config(model_dir, {"model": dataclasses.asdict(config), "train": None, **contents, "best": None})


def weight_path(model_dir: str, weights: str) -> str:
    """Path of the "best" or the "last" weights, or those at the "start"."""
    return os.path.join(model_dir, WEIGHT_FILES[weights])


def save_weights(model: keras.Model, path: str | None) -> None:
    """Writes `path` (*.weights.h5) as Keras does, whole or not at all.

    Keras' own way ends the process with a segmentation fault where the disk fills.

    Args:
        model: whose weights.
        path: None: nothing is written; one of several workers reads along what is a mean over them all.
    """
    if path is None:
        saving_lib._save_state(model, _Nowhere(), None, inner_path="", visited_trackables=set())
        return
    with hdf5_files.writing(path, checksums=False) as writer:
        saving_lib._save_state(model, _Store(writer.file), None, inner_path="", visited_trackables=set())


class _Store:
    """Groups for the variables of each object, as Keras' saving asks for them."""

    def __init__(self, file: h5py.File):
        self._file = file

    def make(self, path: str) -> h5py.Group:
        return self._file.create_group(f"{path}/vars" if path else "vars")


class _Nowhere:
    """Groups and arrays that forget what is put into them."""

    def make(self, path: str) -> _Nowhere:
        return self

    def create_dataset(self, *_: Any) -> _Nowhere:
        return self

    def __setitem__(self, *_: Any) -> None:
        pass


def load_weights(model: keras.Model, path: str) -> None:
    """Sets the weights of `model` from a file of `save_weights`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file holds another model's weights.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f"No weight file {path}.")
    what = f"a file with the weights of the model in {CONFIG_FILE}"
    with hdf5_files.reading(path, what) as file:
        # Some layers keep their weights otherwise than they compute with them, and say how.
        stored = {tuple(shape) for layer in model.layers for shape in getattr(layer, "stored_shapes", ())}
        _check_shapes(file, {(), *(tuple(weight.shape) for weight in model.variables), *stored})
    try:
        model.load_weights(path)
    except hdf5_files.FAULTS as error:
        raise ValueError(f"{path} must be {what}. Received: {str(error).splitlines()[0]}") from error


def _check_shapes(file: h5py.File, shapes: set[tuple[int, ...]]) -> None:
    """Refuses arrays that no weight, nor its moments in an optimizer, has room for."""
    def check(name: str, entry: h5py.Group | h5py.Dataset) -> None:
        if isinstance(entry, h5py.Dataset) and (entry.shape not in shapes or entry.dtype.kind not in "fiub"):
            raise ValueError(f"{name} is {entry.dtype} {entry.shape}, as no weight of the model")

    file.visititems(check)


def load_model(model_dir: str, weights: str, config_class: type,
               build: Callable[[Any], keras.Model]) -> tuple[keras.Model, dict[str, Any]]:
    """A trained model, in float32, and the contents of its `config.json`, every field of "model" given.

    Args:
        model_dir: written by `training.train`.
        weights: "best" or "last".
        config_class: dataclass of the "model" in `config.json`.
        build: from an instance of it to the model.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is not what it should be.
    """
    if weights not in WEIGHT_FILES:
        raise ValueError(f"`weights` must be best or last. Received: weights={weights!r}.")
    config = read_config(model_dir)
    made_of = model_config(config, config_class, os.path.join(model_dir, CONFIG_FILE))
    model = build(made_of)
    load_weights(model, weight_path(model_dir, weights))
    return model, {**config, "model": dataclasses.asdict(made_of)}


def fingerprint(model: keras.Model) -> str:
    """SHA-256, in hex, of all weights in order: equal for equal models, whatever file they came from."""
    digest = hashlib.sha256()
    for weight in model.weights:
        digest.update(np.ascontiguousarray(weight.numpy()).tobytes())
    return digest.hexdigest()
