"""Training of a hashing network from shards to a model directory, taken up again after any interruption."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from data_prep.records.manifest import manifest_beside
from delg.fitting import best_weights, callbacks, heldout, resuming, strategies, summaries
from delg.networks import model_files
from hashing.codes import codes
from hashing.data.image_batches import encoding_batches
from hashing.networks.model import build_hashing
from hashing.scores import metrics
from hashing.training import last_layers
from hashing.training.batches import training_batches
from hashing.training.config import TrainConfig
from hashing.training.objective import compile_hashing, freeze, with_targets

_MAY_CHANGE = ("train_pattern", "model_dir", "validation_pattern", "backbone_weights", "backup_steps",
               "strategy")  # between a run and its resumption
_MAX_VALIDATION_IMAGES = 5000  # chosen


def train(config: TrainConfig) -> dict[str, Any]:
    """Trains a hashing network, or goes on with the training that `config.model_dir` holds, to its last step.

    Writes `config.json` first, then at the end of each epoch `last.weights.h5`, `best.weights.h5` (by the
    retrieval mAP of validation images; without them the last), `history.csv`, `events/` for TensorBoard and
    `backup/`. A killed run that is started again ends where an uninterrupted one ends.

    Args:
        config: the settings.

    Returns:
        Contents of the final `config.json`, see `model_dir`.

    Raises:
        FileNotFoundError: no shards, no dataset.json or no weight file.
        ValueError: settings, shards or an earlier run in `model_dir` contradict each other, or the loss
            stopped being a number.
    """
    num_classes = manifest_beside(config.train_pattern).num_classes
    strategy = strategies.build_strategy(config.strategy)
    strategies.check_batch_size(strategy, config.batch_size)
    stored = _start_config(config, num_classes)
    with resuming.training_scope(config, stored, strategy) as write_dir:
        _Run(config, stored, write_dir).fit()
    return stored


def _start_config(config: TrainConfig, num_classes: int) -> dict[str, Any]:
    """Contents of `config.json` at the start: those of the run to be resumed, if there is one."""
    stored = {"model": dataclasses.asdict(config.model_config()), "train": dataclasses.asdict(config),
              "num_classes": num_classes, "best": None}
    return resuming.start_config(config, stored, _MAY_CHANGE)


def _shared_batches(config: TrainConfig, start_step: int) -> Iterable:
    """Batches with targets, to fit to."""
    return strategies.shared_batches(
        lambda *share: with_targets(training_batches(config, *share), config),
        start_step, config.batch_size)


def validation_map(bits: np.ndarray, labels: np.ndarray) -> float:
    """Mean expected average precision when each image queries all others by Hamming distance.

    Args:
        bits: uint8, [N, K], 0 or 1.
        labels: int, [N].

    Returns:
        In [0, 1]; NaN where no class has two images.
    """
    distances = codes.hamming_distances(bits, bits).astype(np.int64)
    relevant = labels[:, None] == labels[None, :]
    np.fill_diagonal(relevant, False)
    np.fill_diagonal(distances, bits.shape[1] + 1)  # the query itself comes last and counts for nothing
    scores = metrics.average_precisions(metrics.count_distances(distances, relevant, bits.shape[1] + 1))
    return float(np.nanmean(scores))


class _Run:
    """One training: the model, its checkpoint and its data. Made inside the scope of the strategy."""

    def __init__(self, config: TrainConfig, stored: dict[str, Any], write_dir: str):
        self.config, self.stored, self.write_dir = config, stored, write_dir
        is_begun = resuming.is_begun(config.model_dir)
        self.model = build_hashing(config.model_config(), "none" if is_begun else config.backbone_weights)
        freeze(self.model, config)
        self.trained = compile_hashing(self.model, config, stored["num_classes"])
        self.trained.optimizer.build(self.trained.trainable_variables)
        self.manager = resuming.restored_backups(self.trained, self.trained.optimizer, config.model_dir,
                                                 write_dir)

    def fit(self) -> None:
        """Trains to the last step; without validation the last weights are the best."""
        config = self.config
        retrieval = self._retrieval()
        if config.head_steps + config.top_steps and self.manager.latest_checkpoint is None:
            last_layers.train_last_layers(self.model, config, self.stored["num_classes"])
            if retrieval is not None:
                retrieval.keep(epoch=-1, step=0, logs={})
            model_files.save_weights(self.model, model_files.weight_path(self.write_dir, "last"))
            self.manager.save(checkpoint_number=0)
        resuming.fit_to_last_step(self.trained, config, lambda step: _shared_batches(config, step),
                                  lambda: self._callbacks(retrieval))
        if self.stored["best"] is None:
            model_files.save_weights(self.model, model_files.weight_path(self.write_dir, "best"))

    def _retrieval(self) -> best_weights.BestWeights | None:
        config = self.config
        if not config.validation_pattern:
            return None
        encode = tf.function(lambda images: self.model(images, training=False)["codes"],
                             reduce_retracing=True)

        def measure(_) -> float:
            batches = encoding_batches(config.validation_pattern, config.image_size, config.batch_size)
            values, labels = heldout.describe(batches, encode, _MAX_VALIDATION_IMAGES)
            return validation_map(codes.binarize(values), labels)

        # Of equal scores, and where none is a number, the last counts.
        return best_weights.BestWeights(self.model, "validation_map", measure,
                                        lambda score, best: not score < best, self.write_dir, self.stored)

    def _callbacks(self, retrieval: best_weights.BestWeights | None) -> list[keras.callbacks.Callback]:
        config = self.config
        writer = tf.summary.create_file_writer(os.path.join(self.write_dir, "events"))
        events = [callbacks.StopOnBadLoss(config.learning_rate, config.backup_steps)]
        if retrieval is not None:
            events.append(retrieval)
        return [*events, summaries.TrainingSummaries(writer, config.batch_size),
                callbacks.HistoryTable(self.write_dir),
                callbacks.Backup(self.model, self.manager, self.write_dir, config.backup_steps)]
