"""Adaptation of a trained code layer to the images of an index, which need no labels.

The layer begins as ITQ of their features, so that its bits part what is there, whatever it shows. Classes
with labels then get the codes that most of their images have already, and their images are drawn to them,
while the codes of the index are held where they are.
"""

from __future__ import annotations

import dataclasses
import json
import os
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from data_prep.records import pipeline
from data_prep.stage import lock
from data_prep.stage.settings import require
from data_prep.stage.stored_settings import differences, from_stored
from delg.fitting import heldout
from delg.fitting.optimizers import build_optimizer
from delg.networks import model_files
from delg.settings.kinds import SCHEDULES
from hashing.data.image_batches import encoding_batches
from hashing.networks.config import ModelConfig
from hashing.networks.model_dir import load_hashing
from hashing.training import last_layers
from hashing.training.adapt_config import AdaptConfig
from hashing.training.config import TrainConfig
from hashing.training.objective import CodeLoss

_WHITENING = 0.25  # of principal components, before ITQ; docs/decisions/0097


def adapt(config: AdaptConfig) -> dict[str, Any]:
    """Writes a model whose code layer is adapted to an index; a finished one of the same settings is kept.

    Args:
        config: the settings.

    Returns:
        Contents of its `config.json`: those of the model it came from, and `adapted`, the settings and the
        `fingerprint` of that model.

    Raises:
        FileNotFoundError: no model or no shards.
        ValueError: fewer images in the index than bits in a code, `train_pattern` for a model that was not
            trained, or another model in `output_dir`.
    """
    model, stored = load_hashing(config.model_dir)
    adapted = {**json.loads(json.dumps(dataclasses.asdict(config))),  # tuples are lists
               "fingerprint": model_files.fingerprint(model)}
    with lock.alone_in(config.output_dir):
        if os.path.exists(os.path.join(config.output_dir, model_files.CONFIG_FILE)):
            return _finished(config.output_dir, adapted)
        train = _train_config(stored, config) if config.train_pattern else None
        features = keras.Model(model.input, model.output["features"])
        index = _index_features(features, config)
        code_size = model.output["codes"].shape[1]
        require(len(index) >= code_size, f"The index must have at least {code_size} images, as many as a "
                "code has bits.", index_pattern=config.index_pattern, num_images=len(index))
        lengths = ModelConfig(**stored["model"]).lengths
        last_layers.start_as_itq(model, index, lengths, config.seed, _WHITENING)
        if train:
            fit_code_layer(model, index, *last_layers.stored_outputs(features, train), train, config)
        for weights in ("best", "last"):
            model_files.save_weights(model, model_files.weight_path(config.output_dir, weights))
        model_files.write_config(config.output_dir, {**stored, "best": None, "adapted": adapted})
        return model_files.read_config(config.output_dir)


def fit_code_layer(model: keras.Model, index: np.ndarray, features: np.ndarray, labels: np.ndarray,
                   train: TrainConfig, config: AdaptConfig) -> None:
    """Draws the codes of labelled images to those of their classes and holds the codes of the index.

    The code of a class is the sign of the sum of its images' values, as the layer gives them at the start.
    The loss is that of codes that settle in training, plus the mean squared change of the index's codes.

    Args:
        model: from `build_hashing`, its code layer started on `index`; changed in place.
        index: float, [M, D], features of images of the index.
        features: float, [N, D], of labelled images.
        labels: int, [N].
        train: settings of the model's training: margin and scale of cosines, decay.
        config: settings of the adaptation.

    Raises:
        ValueError: weights did not stay finite.
    """
    layer, num_classes = model.get_layer("code_layer"), int(labels.max()) + 1
    index, features = index.astype(np.float32), features.astype(np.float32)
    sums = np.zeros((num_classes, layer.units), np.float32)
    np.add.at(sums, labels, layer(features).numpy())
    held = np.tanh(layer(index).numpy())

    inputs = {name: keras.Input(features.shape[1:], name=name) for name in ("labelled", "index")}
    part = keras.Model(inputs, {name: layer(values) for name, values in inputs.items()})
    cosines = dataclasses.replace(last_layers.cosines_alone(train), center_weight=1.0)
    part.compile(
        optimizer=build_optimizer(
            "adam", SCHEDULES["cosine"].build(config.learning_rate, config.num_steps, 0),
            weight_decay=train.weight_decay, beta_2=train.beta_2),
        loss={"labelled": CodeLoss(cosines, num_classes, np.where(sums >= 0, 1.0, -1.0).astype(np.float32)),
              "index": lambda before, logits: tf.reduce_mean(tf.square(tf.tanh(logits) - before), axis=1)},
        loss_weights={"labelled": 1.0, "index": config.index_weight}, jit_compile=False)
    part.fit(_batches({"labelled": features, "index": index}, {"labelled": labels, "index": held}, config),
             steps_per_epoch=config.num_steps, epochs=1, verbose=0)
    if not all(np.all(np.isfinite(weight)) for weight in layer.get_weights()):
        raise ValueError("The code layer must stay finite; lower `learning_rate`. "
                         f"Received: learning_rate={config.learning_rate}.")


def _batches(inputs: dict[str, np.ndarray], targets: dict[str, np.ndarray],
             config: AdaptConfig) -> tf.data.Dataset:
    """Batches of rows drawn with replacement, of labelled images and of the index apart."""
    generator = np.random.default_rng(config.seed)
    rows = {name: generator.integers(len(values), size=(config.num_steps, config.batch_size))
            for name, values in inputs.items()}
    held = {name: (tf.constant(inputs[name]), tf.constant(targets[name])) for name in inputs}

    def gather(chosen):
        return tuple({name: tf.gather(held[name][part], chosen[name]) for name in held} for part in (0, 1))

    return tf.data.Dataset.from_tensor_slices(rows).map(gather)


def _index_features(features: keras.Model, config: AdaptConfig) -> np.ndarray:
    """Features of the first images of each pattern, of all together `max_images` at most: float32, [M, D]."""
    counts = [pipeline.count_examples(pattern) for pattern in config.index_pattern]
    share = min(1.0, config.max_images / max(sum(counts), 1))
    compute = tf.function(lambda images: features(tf.cast(images, tf.float32), training=False))
    found = [heldout.describe(encoding_batches(pattern, features.input_shape[1], config.batch_size), compute,
                              max(1, int(share * count)))[0]
             for pattern, count in zip(config.index_pattern, counts)]
    logging.info("Adapting codes to %d of %d images of the index.", sum(map(len, found)), sum(counts))
    return np.concatenate(found)


def _train_config(stored: dict[str, Any], config: AdaptConfig) -> TrainConfig:
    """Settings by which training read its labelled images, for those of `train_pattern`."""
    require(stored["train"] is not None, "`model_dir` must hold a trained model, for `train_pattern` to be "
            "read as its training read it.", model_dir=config.model_dir)
    pipeline.count_examples(config.train_pattern)  # refuses what is not there before the index is read
    train = from_stored(TrainConfig, stored["train"], os.path.join(config.model_dir, model_files.CONFIG_FILE))
    return dataclasses.replace(train, train_pattern=config.train_pattern, seed=config.seed)


def _finished(output_dir: str, adapted: dict[str, Any]) -> dict[str, Any]:
    """Contents of `config.json` of a model that is there already, if it is the one that is asked for."""
    stored = model_files.read_config(output_dir)
    different = differences(stored.get("adapted") or {}, adapted, {})
    require(not different, "`output_dir` must be empty or hold the model that these settings give; of the "
            f"one there differ: {', '.join(different)}.", output_dir=output_dir)
    return stored
