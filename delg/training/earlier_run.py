"""A start from another run: its backbone and heads, and the classes that both know, as far as they fit."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from concurrent import futures
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from data_prep.records.manifest import manifest_beside
from data_prep.stage import files
from delg.fitting import backups
from delg.networks import model_files
from delg.networks.delg import build_delg
from delg.settings.model import ModelConfig
from delg.settings.training import TrainConfig
from delg.training.objective import CLASSIFIERS

_SAME = ("backbone", "width")  # or nothing below the heads would fit


@dataclasses.dataclass(frozen=True)
class EarlierRun:
    """A run to start from.

    Attributes:
        model: what its model is made of.
        settings: of its training; empty where it had none.
        path: its weight file, or the path of a checkpoint without suffix.
    """

    model: ModelConfig
    settings: dict[str, Any]
    path: str

    @property
    def is_checkpoint(self) -> bool:
        """Whether `path` is a checkpoint."""
        return not os.path.isfile(self.path)

    def fingerprint(self) -> str:
        """SHA-256, in hex, of its weights; of a checkpoint that of the list of their checksums."""
        return files.sha256_of(f"{self.path}.index" if self.is_checkpoint else self.path)


def find(config: TrainConfig) -> EarlierRun:
    """The run that `config.init_from` names: its best weights, or its newest checkpoint if it has none yet.

    Raises:
        FileNotFoundError: there is no model, or it has no weights.
        ValueError: it is the folder of this very training, or its model is of another backbone.
    """
    folder = config.init_from
    if os.path.realpath(folder) == os.path.realpath(config.model_dir):
        raise ValueError("`init_from` must be another folder than `model_dir`. "
                         f"Received: init_from={folder}, model_dir={config.model_dir}.")
    source = os.path.join(folder, model_files.CONFIG_FILE)
    if not os.path.isfile(source):
        raise FileNotFoundError("`init_from` must be a folder that delg.train has written. "
                                f"No such file: {source}.")
    contents = model_files.read_config(folder)
    model = model_files.model_config(contents, ModelConfig, source)
    differing = [f"{name}={getattr(model, name)!r} there, {getattr(config, name)!r} here" for name in _SAME
                 if getattr(model, name) != getattr(config, name)]
    if differing:
        raise ValueError("`init_from` must hold a model of the same backbone. "
                         f"Received: {folder}, {', '.join(differing)}.")
    path = model_files.weight_path(folder, "best")
    if not os.path.isfile(path):
        path = backups.latest(folder)
    if path is None:
        raise FileNotFoundError(f"`init_from` must hold {model_files.WEIGHT_FILES['best']} or a checkpoint. "
                                f"Received: {folder}, which has neither.")
    return EarlierRun(model, contents.get("train") or {}, path)


def keep_fingerprint(stored: dict[str, Any], config: TrainConfig, is_begun: bool) -> None:
    """Keeps the fingerprint of the start as "started_from" in the contents of a `config.json`.

    Of a training that is begun it is compared instead; where the other run is gone meanwhile, it goes on.

    Raises:
        FileNotFoundError, ValueError: as of `find`, or the training was begun from something else.
    """
    if is_begun and stored["started_from"] and not os.path.isdir(config.init_from):
        logging.warning("%s is gone; the training in %s goes on from its own checkpoint.", config.init_from,
                        config.model_dir)
        return
    run = find(config)
    found = run.fingerprint()
    if is_begun and found != stored["started_from"]:
        raise ValueError("`model_dir` holds a training that began from something else than `init_from` now "
                         "holds; leave `init_from` out to go on with it, or choose another `model_dir`. "
                         f"Received: {config.model_dir}, {run.path}.")
    stored["started_from"] = found


def take(model: keras.Model, config: TrainConfig) -> set[str]:
    """Sets what fits of the weights of `config.init_from`, layer by layer, and logs a table of it.

    A layer is taken where it has the same name and shapes. Classifiers keep the weights of each class that
    both runs were trained on, by the original labels in the dataset.json of their shards; the other classes
    begin at random. What is not trained is what the settings say.

    Args:
        model: from `build_delg`.
        config: of the training that begins.

    Returns:
        Names of the layers that were taken.
    """
    run = find(config)
    with futures.ThreadPoolExecutor(1) as thread:  # outside the scope of a strategy
        theirs = thread.submit(_read, run).result()
    classes, notes = _Classes.of(run, config), {}
    for name in CLASSIFIERS:
        theirs[name], notes[name] = classes.rows_here(theirs[name], config.seed), f" {classes}"
    lines, taken = {}, set()
    for layer in model.layers:
        if layer.trainable_weights:
            found = theirs.pop(layer.name, None)
            shapes = [tuple(shape) for shape in
                      getattr(layer, "stored_shapes", [each.shape for each in layer.weights])]
            if found is None:
                lines[layer.name] = "left at its start: the other model has none"
            elif (there := [value.shape for value in found]) != shapes:
                lines[layer.name] = f"left at its start: {there} there, {shapes} here"
            else:
                _set(layer, found)
                taken.add(layer.name)
                lines[layer.name] = f"taken{notes.get(layer.name, '')}"
    lines.update(dict.fromkeys(theirs, "not used: this model has none"))
    logging.info("Start from %s:\n%s", run.path,
                 "\n".join(f"  {name:{max(map(len, lines))}}  {line}" for name, line in lines.items()))
    return taken


@dataclasses.dataclass(frozen=True)
class _Classes:
    """The classes that two runs were trained on.

    Attributes:
        num_here, num_there: of this run and of the earlier one.
        here, there: int, [S], numbers of the S classes that both have, in either.
    """

    num_here: int
    num_there: int
    here: np.ndarray
    there: np.ndarray

    @classmethod
    def of(cls, run: EarlierRun, config: TrainConfig) -> _Classes:
        """Classes of the same original label in the same set of images."""
        ours, num_there, numbers = manifest_beside(config.train_pattern), run.model.num_classes, {}
        try:
            theirs = manifest_beside(run.settings.get("train_pattern", ""))
        except (FileNotFoundError, ValueError) as error:
            logging.warning("Which classes %s was trained on is not known: %s", run.path, error)
        else:
            if (theirs.dataset, theirs.num_classes) == (ours.dataset, num_there):
                numbers = {label: number for number, label in enumerate(theirs.labels[:num_there])}
        pairs = [(number, numbers[label]) for number, label in enumerate(ours.labels[:ours.num_classes])
                 if label in numbers]
        here, there = np.array(pairs, int).reshape(-1, 2).T
        return cls(ours.num_classes, num_there, here, there)

    def rows_here(self, values: list[np.ndarray], seed: int) -> list[np.ndarray]:
        """Weights of a classifier, classes last, in the order of this run; others begin as Keras has them."""
        starts = keras.initializers.GlorotUniform(seed), keras.initializers.Zeros()
        changed = []
        for value, start in zip(values, starts):
            rows = value.shape[-1] // self.num_there
            shape = (*value.shape[:-1], rows * self.num_here)
            whole = np.array(start(shape)).reshape(*value.shape[:-1], rows, self.num_here)
            whole[..., self.here] = value.reshape(*value.shape[:-1], rows, self.num_there)[..., self.there]
            changed.append(whole.reshape(shape))
        return changed

    def __str__(self):
        return f"for {len(self.here)} of {self.num_here} classes"


def _read(run: EarlierRun) -> dict[str, list[np.ndarray]]:
    """Weights by layer, those of classifiers as the plain ones have them; of the layers that are trained."""
    by_rows = run.is_checkpoint and run.settings.get("classifier", "full") != "full"
    with tf.device("CPU:0"):
        model = build_delg(run.model, by_rows=by_rows)
        if run.is_checkpoint:
            backups.restore_model(model, run.path)
        else:
            model_files.load_weights(model, run.path)
    return {layer.name: _stored(layer) for layer in model.layers if layer.trainable_weights}


class _Arrays(dict):
    """Arrays of a layer, as Keras' saving asks for a place for them."""

    def create_dataset(self, name, shape, dtype):
        self[name] = np.zeros(shape, dtype)
        return self[name]


def _stored(layer: keras.layers.Layer) -> list[np.ndarray]:
    if not hasattr(layer, "stored_shapes"):
        return layer.get_weights()
    arrays = _Arrays()
    layer.save_own_variables(arrays)
    return [arrays[str(number)] for number in range(len(arrays))]


def _set(layer: keras.layers.Layer, values: Sequence[np.ndarray]) -> None:
    if hasattr(layer, "stored_shapes"):
        layer.load_own_variables({str(number): value for number, value in enumerate(values)})
    else:
        layer.set_weights(values)
