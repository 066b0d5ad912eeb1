"""Training of a double VAE from shards to a model directory, taken up again after any interruption."""

from __future__ import annotations

import dataclasses
import operator
import os
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from delg.fitting import best_weights, callbacks, resuming, strategies, summaries
from delg.fitting.optimizers import build_optimizer
from delg.networks import model_files
from delg.settings.kinds import SCHEDULES
from vae.data import day_night_images
from vae.latents.latents import image_functions
from vae.networks.config import DOMAINS
from vae.networks.model import build_vae, stem_of
from vae.training.config import TrainConfig
from vae.training.events import CentreLatents, PictureSummaries, Plateau
from vae.training.objective import DayNightObjective

_CENTRING_IMAGES = 1024  # of each domain, at most, for the mean latents; chosen
_MAY_CHANGE = ("train_pattern", "model_dir", "validation_pattern", "backup_steps", "num_pictures",
               "strategy", "stem_weights")  # between a run and its resumption


def train(config: TrainConfig) -> None:
    """Trains a double VAE, or goes on with the training that `config.model_dir` holds, to its last step.

    Writes `config.json` first, then at the end of each epoch `last.weights.h5`, `best.weights.h5` (by
    validation loss, if there are validation images), `history.csv`, `events/` for TensorBoard and `backup/`.
    A killed run that is started again ends where an uninterrupted one ends: weights, optimizer, batches,
    noise and learning rate continue from the last checkpoint.

    Args:
        config: the settings.

    Raises:
        FileNotFoundError: no shards, no dataset.json or no `stem_weights`.
        ValueError: settings, shards or an earlier run in `model_dir` contradict each other, or the loss
            stopped being a number.
    """
    day_night_images.DayNightRows(config.train_pattern, config.pairing)  # before anything is written
    strategy = strategies.build_strategy(config.strategy)
    strategies.check_batch_size(strategy, config.batch_size)
    stored = _start_config(config)
    with resuming.training_scope(config, stored, strategy) as write_dir:
        _Run(config, stored, strategy.num_replicas_in_sync > 1, write_dir).fit()


def _start_config(config: TrainConfig) -> dict[str, Any]:
    """Contents of `config.json` at the start: those of the run to be resumed, if there is one."""
    stored = {"model": dataclasses.asdict(config.model_config()), "train": dataclasses.asdict(config),
              "best": None}
    if not resuming.is_begun(config.model_dir):
        is_path = config.stem != "none" and config.stem_weights not in ("imagenet", "none")
        if is_path and not os.path.isfile(config.stem_weights):
            raise FileNotFoundError("`stem_weights` must be imagenet, none or a file. "
                                    f"Received: {config.stem_weights}.")
    return resuming.start_config(config, stored, _MAY_CHANGE)


def _shared_batches(config: TrainConfig, start_step: int) -> Iterable:
    """Batches to fit to."""
    def batches(start_step: int, batch_size: int, worker_index: int, num_workers: int) -> tf.data.Dataset:
        return day_night_images.training_batches(
            config.train_pattern, config.image_size, batch_size, config.seed, config.pairing,
            config.augmentation, config.min_crop_area, start_step, worker_index, num_workers)

    return strategies.shared_batches(batches, start_step, config.batch_size)


class _Run:
    """One training: the objective, its checkpoint and its data. Made inside the scope of the strategy."""

    def __init__(self, config: TrainConfig, stored: dict[str, Any], synchronized: bool, write_dir: str):
        self.config = config
        self.stored = stored
        self.write_dir = write_dir
        # The checkpoint holds the stem too.
        self.vae = build_vae(config.model_config(), synchronized,
                             "none" if resuming.is_begun(config.model_dir) else config.stem_weights)
        stem = stem_of(self.vae)
        if stem is not None:
            stem.trainable = config.stem_learning_rate_factor > 0
        self.objective = DayNightObjective(self.vae, config)
        rate, schedule = config.learning_rate, SCHEDULES.get(config.schedule)
        if schedule is not None:
            rate = schedule.build(rate, config.num_steps, 0)
        self.objective.compile(
            optimizer=build_optimizer(
                "adam", rate, beta_1=config.beta_1, clip_norm=config.clip_norm,
                slow_names=[weight.name for weight in stem.trainable_weights] if stem is not None else (),
                slow_factor=config.stem_learning_rate_factor), jit_compile=False)
        self.objective.optimizer.build(self.objective.trained_weights)
        self.manager = resuming.restored_backups(self.objective, self.objective.optimizer, config.model_dir,
                                                 write_dir)

    def fit(self) -> None:
        """Trains to the last step."""
        config = self.config
        validation = self._validation_batches() if config.validation_pattern else None
        was_unfinished = resuming.fit_to_last_step(
            self.objective, config, lambda step: _shared_batches(config, step), self._callbacks, validation)
        if not was_unfinished:  # it may have been killed after the last checkpoint, before the weights
            model_files.save_weights(self.vae, model_files.weight_path(self.write_dir, "last"))

    def _validation_batches(self) -> tf.data.Dataset:
        config = self.config
        return day_night_images.validation_batches(config.validation_pattern, config.image_size,
                                                   config.batch_size, config.pairing)

    def _callbacks(self) -> list[keras.callbacks.Callback]:
        config = self.config
        writer = tf.summary.create_file_writer(os.path.join(self.write_dir, "events"))
        pattern = config.validation_pattern or config.train_pattern
        shown = next(iter(day_night_images.validation_batches(
            pattern, config.image_size, config.num_pictures, config.pairing)))
        events = [callbacks.StopOnBadLoss(config.learning_rate, config.backup_steps)]
        if config.schedule not in SCHEDULES:
            events.append(Plateau(config.model_dir, config.learning_rate, config.plateau_epochs,
                                  config.plateau_factor))
        if config.center_latent:
            events.append(CentreLatents(self.vae, day_night_images.validation_batches(
                config.train_pattern, config.image_size, config.batch_size).take(
                    -(-_CENTRING_IMAGES // config.batch_size))))
        return [
            *events,
            best_weights.BestWeights(self.vae, "val_loss", lambda logs: logs.get("val_loss"), operator.lt,
                                     self.write_dir, self.stored),
            summaries.TrainingSummaries(writer, 2 * config.batch_size),
            PictureSummaries(writer, image_functions(self.vae, config.descriptor_grid),
                             {domain: np.asarray(shown[domain]) for domain in DOMAINS}),
            callbacks.HistoryTable(self.write_dir),
            callbacks.Backup(self.vae, self.manager, self.write_dir, config.backup_steps)]
