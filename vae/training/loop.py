"""Training of a double VAE from shards to a model directory, taken up again after any interruption."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from delg.fitting import backups, resuming
from delg.fitting.optimizers import build_optimizer
from delg.fitting.run import BestWeights, Run, training
from delg.settings.backbones import PUBLISHERS
from delg.settings.kinds import BACKBONES, SCHEDULES
from vae.data import day_night_images
from vae.latents.latents import image_functions
from vae.networks.config import DOMAINS
from vae.networks.model import build_vae, stem_of
from vae.training.config import TrainConfig
from vae.training.events import CentreLatents, PictureSummaries, Plateau
from vae.training.objective import DayNightObjective

_CENTRING_IMAGES = 1024  # of each domain, at most, for the mean latents; chosen


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
    stored = _start_config(config)
    with training(config, stored) as run:
        _begin(run)
        _fit(run)


def _start_config(config: TrainConfig) -> dict[str, Any]:
    """Contents of `config.json` at the start: those of the run to be resumed, if there is one."""
    if not backups.is_begun(config.model_dir):
        is_path = config.stem in BACKBONES and config.stem_weights not in (*PUBLISHERS, "none")
        if is_path and not os.path.isfile(config.stem_weights):
            raise FileNotFoundError("`stem_weights` must be imagenet, package, none or a file. "
                                    f"Received: {config.stem_weights}.")
    return resuming.start_config(config, config.model_config(), ("num_pictures", "stem_weights"))


def _begin(run: Run) -> None:
    config = run.config
    # The checkpoint holds the stem too.
    vae = build_vae(config.model_config(), run.synchronized, "none" if run.is_begun else config.stem_weights)
    if config.equal_start and not run.is_begun:
        first, second = (vae.get_layer(f"{domain}_lower_encoder") for domain in DOMAINS)
        second.set_weights(first.get_weights())
    stem = stem_of(vae)
    if stem is not None:
        stem.trainable = config.stem_learning_rate_factor > 0
    objective = DayNightObjective(vae, config)
    rate, schedule = config.learning_rate, SCHEDULES.get(config.schedule)
    if schedule is not None:
        rate = schedule.build(rate, config.num_steps, 0)
    objective.compile(
        optimizer=build_optimizer(
            "adam", rate, beta_1=config.beta_1, clip_norm=config.clip_norm,
            slow_names=[weight.name for weight in stem.trainable_weights] if stem is not None else (),
            slow_factor=config.stem_learning_rate_factor), jit_compile=False)
    run.restore(vae, objective, kept=objective)


def _fit(run: Run) -> None:
    """Trains to the last step."""
    config, vae = run.config, run.model

    def batches(start_step: int, batch_size: int, worker_index: int, num_workers: int) -> tf.data.Dataset:
        return day_night_images.training_batches(
            config.train_pattern, config.image_size, batch_size, config.seed, config.pairing,
            config.augmentation, config.min_crop_area, start_step, worker_index, num_workers)

    def whole_images(pattern: str, batch_size: int, *pairing: str) -> tf.data.Dataset:
        return day_night_images.validation_batches(pattern, config.image_size, batch_size, *pairing)

    def events() -> Iterator[keras.callbacks.Callback]:
        if config.schedule not in SCHEDULES:
            yield Plateau(config.model_dir, config.learning_rate, config.plateau_epochs,
                          config.plateau_factor)
        if config.center_latent:
            images = whole_images(config.train_pattern, config.batch_size)
            yield CentreLatents(vae, config.descriptor_grid,
                                images.take(-(-_CENTRING_IMAGES // config.batch_size)))
        yield BestWeights(run, "val_loss", lambda logs: logs.get("val_loss"), operator.lt)

    def pictures() -> Iterator[keras.callbacks.Callback]:
        pattern = config.validation_pattern or config.train_pattern
        shown = next(iter(whole_images(pattern, config.num_pictures, config.pairing)))
        yield PictureSummaries(run.writer, image_functions(vae, config.descriptor_grid),
                               {domain: np.asarray(shown[domain]) for domain in DOMAINS})

    validation = (whole_images(config.validation_pattern, config.batch_size, config.pairing)
                  if config.validation_pattern else None)
    if not run.fit(batches, events, pictures, validation, images_per_row=len(DOMAINS)):
        run.save("last")  # it may have been killed after the last checkpoint, before the weights
