"""Training of a DELG model from shards to a model directory, taken up again after any interruption."""

from __future__ import annotations

import dataclasses
import operator
import os
from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from data_prep.records import pipeline
from data_prep.records.manifest import manifest_beside
from delg.fitting import best_weights, callbacks, heldout, resuming, strategies, summaries
from delg.networks import model_files
from delg.networks.backbone import receptive_field
from delg.networks.delg import build_delg, descriptor_model
from delg.settings.training import TrainConfig
from delg.training import head_starts
from delg.training.objective import compile_delg, freeze, with_targets

_THRESHOLD_IMAGES = 512  # training images whose attention scores give the threshold; chosen
_SUMMARY_IMAGES = 32  # images whose attention is followed; chosen
_MAY_CHANGE = ("train_pattern", "model_dir", "validation_pattern", "heldout_pattern", "backbone_weights",
               "max_heldout_images", "backup_steps", "strategy")  # between a run and its resumption


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
    num_classes = _checked_num_classes(config)
    strategy = strategies.build_strategy(config.strategy)
    strategies.check_batch_size(strategy, config.batch_size)
    stored = _start_config(config, num_classes)
    with resuming.training_scope(config, stored, strategy) as write_dir:
        run = _Run(config, stored, strategy.num_replicas_in_sync > 1, write_dir)
        run.fit()
        run.finish()
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
    stored = {"model": dataclasses.asdict(config.model_config(num_classes)),
              "train": dataclasses.asdict(config), "attention_threshold": None, "best": None}
    return resuming.start_config(config, stored, _MAY_CHANGE, kept=("attention_threshold", "best"))


def _training_batches(config: TrainConfig, **changes: Any) -> tf.data.Dataset:
    """Batches of the training images from step 0 on; `changes` are of arguments of `make_dataset`."""
    return pipeline.make_dataset(**{
        "pattern": config.train_pattern, "image_size": config.image_size, "batch_size": config.batch_size,
        "seed": config.seed, "training": True, "augmentation": config.augmentation,
        "min_crop_area": config.min_crop_area, "shuffle_buffer": config.shuffle_buffer, **changes})


def _shared_batches(config: TrainConfig, start_step: int) -> Iterable:
    """Batches with targets, to fit to."""
    def batches(start_step: int, batch_size: int, worker_index: int, num_workers: int) -> tf.data.Dataset:
        return with_targets(_training_batches(
            config, start_step=start_step, batch_size=batch_size, worker_index=worker_index,
            num_workers=num_workers), config.use_autoencoder)

    return strategies.shared_batches(batches, start_step, config.batch_size)


def _initialise_heads(model: keras.Model, config: TrainConfig) -> None:
    images = _training_batches(config, seed=config.seed + 1, augmentation="none")
    if config.whitening_init == "identity":
        head_starts.initialise_identity(model)
    elif config.whitening_init == "pca":
        head_starts.initialise_whitening(model, images, config.num_init_images, config.whitening_exponent)
    if config.autoencoder_init == "pca" and config.use_autoencoder:
        head_starts.initialise_autoencoder(model, images, config.num_init_images, seed=config.seed,
                                         exponent=config.autoencoder_exponent)


def untrained_model(config: TrainConfig) -> keras.Model:
    """The model that `train` starts from: pretrained, initialised by rule, or random by the seed."""
    keras.utils.set_random_seed(config.seed)
    model = build_delg(config.model_config(_checked_num_classes(config)), config.backbone_weights)
    _initialise_heads(model, config)
    return model


class _Run:
    """One training: the model, its checkpoint and its data. Made inside the scope of the strategy."""

    def __init__(self, config: TrainConfig, stored: dict[str, Any], synchronized: bool, write_dir: str):
        self.config = config
        self.stored = stored
        self.write_dir = write_dir
        is_begun = resuming.is_begun(config.model_dir)
        weights = "none" if is_begun else config.backbone_weights
        self.model = build_delg(config.model_config(stored["model"]["num_classes"]), weights, synchronized)
        if not is_begun:
            _initialise_heads(self.model, config)
        freeze(self.model, config)
        self.trained = compile_delg(self.model, config)
        self.trained.optimizer.build(self.trained.trainable_variables)
        self.manager = resuming.restored_backups(self.model, self.trained.optimizer, config.model_dir,
                                                 write_dir)

    def fit(self) -> None:
        """Trains to the last step."""
        config = self.config
        validation = None
        if config.validation_pattern:
            validation = with_targets(self._batches(config.validation_pattern), config.use_autoencoder)
        resuming.fit_to_last_step(self.trained, config, lambda step: _shared_batches(config, step),
                                  self._callbacks, validation)

    def finish(self) -> None:
        """Loads the best weights, learns the attention threshold of them and writes both down."""
        best = model_files.weight_path(self.config.model_dir, "best")
        if self.stored["best"] is None:
            model_files.save_weights(self.model, model_files.weight_path(self.write_dir, "best"))
        else:
            model_files.load_weights(self.model, best)
        if self.stored["attention_threshold"] is None:
            batches = _training_batches(self.config, start_step=self.config.num_steps)
            attend = self._inference("attention_scores")
            scores = [attend(images).numpy().ravel() for images, _ in
                      batches.take(-(-_THRESHOLD_IMAGES // self.config.batch_size))]
            self.stored["attention_threshold"] = float(np.median(np.concatenate(scores)))
            model_files.write_config(self.write_dir, self.stored)

    def _batches(self, pattern: str) -> tf.data.Dataset:
        config = self.config
        return pipeline.make_dataset(pattern, config.image_size, config.batch_size, config.seed,
                                     training=False)

    def _inference(self, output: str) -> Callable:
        """Function from images to one output of the model, in inference mode."""
        part = descriptor_model(self.model, (output,))
        return tf.function(lambda images: part(images, training=False)[output], reduce_retracing=True)

    def _callbacks(self) -> list[keras.callbacks.Callback]:
        config = self.config
        writer = tf.summary.create_file_writer(os.path.join(self.write_dir, "events"))
        events = [callbacks.StopOnBadLoss(config.learning_rate, config.backup_steps)]
        if config.heldout_pattern:
            embed = self._inference("global_descriptor")
            events.append(best_weights.BestWeights(
                self.model, "heldout_map", lambda _: heldout.retrieval_map(*heldout.describe(
                    self._batches(config.heldout_pattern), embed, config.max_heldout_images)),
                operator.gt, self.write_dir, self.stored))
        shown = self._batches(config.validation_pattern or config.heldout_pattern or config.train_pattern)
        images = np.concatenate([images for images, _ in shown.unbatch().batch(_SUMMARY_IMAGES).take(1)])
        return events + [
            summaries.TrainingSummaries(writer, config.batch_size,
                                        {"gem_power": self.model.get_layer("gem_pooling").exponent}),
            summaries.AttentionSummaries(writer, self._inference("attention_scores"), images,
                                         receptive_field(config.backbone, config.local_stride)),
            callbacks.HistoryTable(self.write_dir),
            callbacks.Backup(self.model, self.manager, self.write_dir, config.backup_steps)]
