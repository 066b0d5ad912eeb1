"""Training of a DELG model from shards to a model directory, taken up again after any interruption."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from data_prep.records import pipeline
from data_prep.records.manifest import manifest_beside
from data_prep.records.record_labels import count_labels
from delg.fitting import backups, heldout, resuming, summaries
from delg.fitting.averaging import WeightAverages
from delg.fitting.run import BestWeights, Run, training
from delg.networks.backbone import receptive_field
from delg.networks.delg import build_delg, descriptor_model
from delg.settings.kinds import AUTOENCODER_INITS, WHITENING_INITS
from delg.settings.training import TrainConfig
from delg.training import earlier_run
from delg.training.losses import margins_by_frequency
from delg.training.objective import compile_delg, freeze, pretrained_layers, with_targets

_THRESHOLD_IMAGES = 512  # training images whose attention scores give the threshold; chosen
_SUMMARY_IMAGES = 32  # images whose attention is followed; chosen
# Starts that look at parts of images, not at whole ones: the same photograph otherwise cut differs too.
_START_CROPS = {"within_class": {"augmentation": "paper", "min_crop_area": 0.3}}  # of the area; chosen
_MAY_CHANGE = ("heldout_pattern", "backbone_weights", "init_from", "max_heldout_images", "accumulate_steps",
               "steps_per_execution")  # when a run is resumed


def train(config: TrainConfig) -> dict[str, Any]:
    """Trains a model, or goes on with the training that `config.model_dir` holds, to its last step.

    Writes `config.json` first, then at the end of each epoch `last.weights.h5`, `best.weights.h5` (by
    retrieval mAP on held-out images; without them the last), `history.csv`, `events/` for TensorBoard and
    `backup/`. A killed run that is started again ends where an uninterrupted one ends: weights, optimizer,
    batches and augmentations continue from the last checkpoint.

    Args:
        config: the settings.

    Returns:
        Contents of the final `config.json`, see `model_files`.

    Raises:
        FileNotFoundError: no shards, no dataset.json or no weight file.
        ValueError: settings, shards or an earlier run in `model_dir` contradict each other, or the loss
            stopped being a number.
    """
    stored = _start_config(config, _checked_num_classes(config))
    with training(config, stored, config.accumulate_steps) as run:
        averages = _begin(run)
        _fit(run, averages)
        _finish(run, averages)
    return stored


def _checked_num_classes(config: TrainConfig) -> int:
    manifest = manifest_beside(config.train_pattern)
    if config.validation_pattern:
        found = manifest_beside(config.validation_pattern).num_classes
        if found != manifest.num_classes:
            raise ValueError("`validation_pattern` must be of the classes of `train_pattern`. Received: "
                             f"{found} classes against {manifest.num_classes}.")
    return manifest.num_classes


def _start_config(config: TrainConfig, num_classes: int) -> dict[str, Any]:
    """Contents of `config.json` at the start: those of the run to be resumed, if there is one."""
    model = config.model_config(num_classes)
    stored = resuming.start_config(dataclasses.replace(config, local_stride=model.local_stride), model,
                                   _MAY_CHANGE, attention_threshold=None, started_from=None)
    if config.init_from:
        earlier_run.keep_fingerprint(stored, config, backups.is_begun(config.model_dir))
    return stored


def _training_batches(config: TrainConfig, **changes: Any) -> tf.data.Dataset:
    """Batches of the training images from step 0 on, of one size; `changes` are of arguments of
    `make_dataset`.
    """
    size = config.image_sizes.at(changes.get("start_step", 0))
    return pipeline.make_dataset(**{
        "pattern": config.train_pattern, "image_size": size, "batch_size": config.batch_size,
        "seed": config.seed, "training": True, "augmentation": config.augmentation,
        "min_crop_area": config.min_crop_area, "shuffle_buffer": config.shuffle_buffer,
        "shuffle_width": config.shuffle_width, **changes})


def _shared_batches(config: TrainConfig) -> Callable[..., tf.data.Dataset]:
    """From a worker's share, see `strategies.shared_batches`, to batches with targets, to fit to."""
    names = ("start_step", "batch_size", "worker_index", "num_workers")
    return lambda *share: with_targets(_training_batches(config, **dict(zip(names, share))), config)


def _set_start(model: keras.Model, config: TrainConfig) -> None:
    """Sets the weights of before the first step, of what does not begin at random."""
    taken = earlier_run.take(model, config) if config.init_from else ()
    autoencoder_init = config.autoencoder_init if config.use_autoencoder else ""
    for layer, table, name in (("whitening", WHITENING_INITS, config.whitening_init),
                               ("encoder", AUTOENCODER_INITS, autoencoder_init)):
        if name in table and layer not in taken:
            table[name](model, _training_batches(
                config, seed=config.seed + 1, **_START_CROPS.get(name, {"augmentation": "none"})), config)


def untrained_model(config: TrainConfig) -> keras.Model:
    """The model that `train` starts from: of another run, pretrained, by rule, or random by the seed."""
    keras.utils.set_random_seed(config.seed)
    model = build_delg(config.model_config(_checked_num_classes(config)), _backbone_weights(config))
    _set_start(model, config)
    return model


def _backbone_weights(config: TrainConfig) -> str:
    return "none" if config.init_from else config.backbone_weights


def _begin(run: Run) -> WeightAverages | None:
    """Makes the model and restores the training, and returns the averages that count, if any are kept."""
    config = run.config
    model_config = config.model_config(run.stored["model"]["num_classes"])
    by_rows = config.classifier != "full"
    model = build_delg(model_config, "none" if run.is_begun else _backbone_weights(config),
                       run.synchronized and config.synchronized_batch_norm, by_rows)
    if not run.is_begun:
        _set_start(model, config)
    start = None
    if config.looks_back:
        _keep_start(run, model)
        start = build_delg(model_config, by_rows=by_rows)
        start.set_weights(model.get_weights())
    freeze(model, config)
    run.restore(model, compile_delg(model, config, start, _class_margins(config)), kept=model)
    return _averages(run, start)


def _class_margins(config: TrainConfig) -> np.ndarray | None:
    """Margin of each class by its number of training images; None: all have the same."""
    if not config.rare_margin:
        return None
    return margins_by_frequency(count_labels(config.train_pattern), config.margin, config.rare_margin,
                                config.margin_exponent)


def _keep_start(run: Run, model: keras.Model) -> None:
    """Writes the weights of before the first step down, or sets those that a run to be resumed wrote."""
    if run.is_begun:
        run.load("start", model)
    else:
        run.save("start", model)


def _averages(run: Run, start: keras.Model | None) -> WeightAverages | None:
    config, trained = run.config, run.trained
    if not config.ema_momentum and not config.average_with_start:
        return None
    moving, at_start = {}, {}
    if config.ema_momentum:
        optimizer = getattr(trained.optimizer, "inner_optimizer", trained.optimizer)  # of float16
        moving = {weight.name: optimizer.average_of(weight) for weight in trained.trainable_variables}
    if config.average_with_start:
        at_start = {weight.name: weight.numpy() for layer in pretrained_layers(start, config)
                    for weight in layer.weights}
    return WeightAverages(run.model.variables, moving, at_start, config.average_with_start)


def _fit(run: Run, averages: WeightAverages | None) -> None:
    """Trains to the last step."""
    config, model = run.config, run.model

    def events() -> list[keras.callbacks.Callback]:
        if not config.heldout_pattern:
            return []
        embed = _inference(model, "global_descriptor")
        return [BestWeights(run, "heldout_map", lambda _: heldout.retrieval_map(*heldout.describe(
            _whole_images(config, config.heldout_pattern), embed, config.max_heldout_images)), operator.gt)]

    def pictures() -> list[keras.callbacks.Callback]:
        shown = _whole_images(
            config, config.validation_pattern or config.heldout_pattern or config.train_pattern)
        images = np.concatenate([images for images, _ in shown.unbatch().batch(_SUMMARY_IMAGES).take(1)])
        return [summaries.AttentionSummaries(run.writer, _inference(model, "attention_scores"), images,
                                             receptive_field(config.backbone, config.local_stride))]

    validation = None
    if config.validation_pattern:
        validation = with_targets(_whole_images(config, config.validation_pattern), config)
    pools = [layer for layer in model.layers if layer.name == "gem_pooling"]  # a class token needs none
    run.fit(_shared_batches(config), events, pictures, validation, averages=averages,
            new_batches_at=config.image_sizes.starts, **{"gem_power": pools[0].exponent} if pools else {})


def _finish(run: Run, averages: WeightAverages | None) -> None:
    """Loads the best weights, learns the attention threshold of them and writes both down."""
    config, stored = run.config, run.stored
    if stored["best"] is None:
        if averages is not None:
            averages.show()
        run.save("best")
    else:
        run.load("best")
    if stored["attention_threshold"] is None:
        batches = _training_batches(config, start_step=config.num_steps)
        attend = _inference(run.model, "attention_scores")
        scores = [attend(images).numpy().ravel() for images, _ in
                  batches.take(-(-_THRESHOLD_IMAGES // config.batch_size))]
        stored["attention_threshold"] = float(np.median(np.concatenate(scores)))
        run.write_config()


def _whole_images(config: TrainConfig, pattern: str) -> tf.data.Dataset:
    return pipeline.make_dataset(pattern, config.image_sizes.at(config.num_steps), config.batch_size,
                                 config.seed, training=False)


def _inference(model: keras.Model, output: str) -> Callable:
    """Function from images to one output of the model, in inference mode."""
    part = descriptor_model(model, (output,))
    return tf.function(lambda images: part(images, training=False)[output], reduce_retracing=True)
