"""Training of a hashing network from shards to a model directory, taken up again after any interruption."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging

from data_prep.records.manifest import manifest_beside
from data_prep.stage.settings import require
from delg.fitting import heldout, resuming
from delg.fitting.run import BestWeights, Run, training
from hashing.codes import codes
from hashing.data.image_batches import encoding_batches
from hashing.networks.model import build_hashing
from hashing.scores import metrics
from hashing.scores.overlap import overlap_warnings
from hashing.training import last_layers
from hashing.training.batches import training_batches
from hashing.training.config import MININGS, TrainConfig, check_asymmetric
from hashing.training.objective import compile_hashing, freeze, with_targets

_MAX_VALIDATION_IMAGES = 5000  # chosen


def train(config: TrainConfig) -> dict[str, Any]:
    """Trains a hashing network, or goes on with the training that `config.model_dir` holds, to its last step.

    Writes `config.json` first, then at the end of each epoch `last.weights.h5`, `best.weights.h5` (by the
    retrieval mAP of validation images, its mean over the lengths of codes; without them the last),
    `history.csv`, `events/` for TensorBoard and `backup/`. A killed run that is started again ends where an
    uninterrupted one ends.

    Args:
        config: the settings.

    Returns:
        Contents of the final `config.json`, see `model_dir`.

    Raises:
        FileNotFoundError: no shards, no dataset.json or no weight file.
        ValueError: settings, shards or an earlier run in `model_dir` contradict each other, or the loss
            stopped being a number.
    """
    check_asymmetric(config)
    num_classes = manifest_beside(config.train_pattern).num_classes
    _check_classes(config, num_classes)
    _warn_of_overlap(config)
    stored = _start_config(config, num_classes)
    with training(config, stored) as run:
        model = build_hashing(config.model_config(), "none" if run.is_begun else config.backbone_weights)
        freeze(model, config)
        trained = compile_hashing(model, config, stored["num_classes"])
        run.restore(model, trained, kept=trained)
        _fit(run)
    return stored


def _warn_of_overlap(config: TrainConfig) -> None:
    """Says of images that the backbone may have been pretrained on what figures on them are worth."""
    dataset = manifest_beside(config.train_pattern).dataset
    for warning in overlap_warnings([dataset] if config.backbone_weights != "none" else []):
        logging.warning("%s", warning)


def _check_classes(config: TrainConfig, num_classes: int) -> None:
    """Refuses batches of more classes than there are; warns of batches that seldom have two images of one."""
    if config.images_per_class:
        require(config.batch_size // config.images_per_class <= num_classes,
                "`batch_size` / `images_per_class`, the classes of a batch, must be at most those of "
                f"`train_pattern`, {num_classes}.",
                batch_size=config.batch_size, images_per_class=config.images_per_class)
    elif config.mining in MININGS and config.triplet_weight and config.batch_size**2 < 2 * num_classes:
        logging.warning("Most batches of %d of images of %d classes hold no two of one class, so that no "
                        "triplet is mined of them; `images_per_class` gives a batch its positives.",
                        config.batch_size, num_classes)


def _start_config(config: TrainConfig, num_classes: int) -> dict[str, Any]:
    """Contents of `config.json` at the start: those of the run to be resumed, if there is one."""
    return resuming.start_config(config, config.model_config(), ("backbone_weights",),
                                 num_classes=num_classes)


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


def _fit(run: Run) -> None:
    """Trains to the last step; without validation the last weights are the best."""
    config = run.config
    judges = [_retrieval(run)] if config.validation_pattern else []
    if config.head_steps + config.top_steps and not run.is_begun:
        last_layers.train_last_layers(run.model, config, run.stored["num_classes"])
        for judge in judges:
            judge.keep(epoch=-1, step=0, logs={})
        run.save("last")
        run.backups.save(0)
    run.fit(lambda *share: with_targets(training_batches(config, *share), config), lambda: judges)
    if run.stored["best"] is None:
        run.save("best")
    if config.settle_steps and config.num_steps:
        _settle(run, judges)


def _settle(run: Run, judges: list[BestWeights]) -> None:
    """Settles the codes of the best weights, unless that is done; they are then the best and the last."""
    config, best = run.config, run.stored["best"] or {"step": 0}
    step = config.num_steps + config.settle_steps
    if best["step"] == step:
        return
    run.load("best")
    last_layers.settle_codes(run.model, config, run.stored["num_classes"])
    run.save("last")
    run.save("best")
    run.stored["best"] = None
    for judge in judges:
        judge.keep(epoch=-1, step=step, logs={})
    if not judges:
        run.stored["best"] = {"epoch": -1, "step": step}
        run.write_config()


def _retrieval(run: Run) -> BestWeights:
    config, model = run.config, run.model
    encode = tf.function(lambda images: model(images, training=False)["codes"], reduce_retracing=True)

    lengths = config.model_config().lengths

    def measure(_) -> float:
        batches = encoding_batches(config.validation_pattern, config.image_size, config.batch_size)
        values, labels = heldout.describe(batches, encode, _MAX_VALIDATION_IMAGES)
        bits = codes.binarize(values)
        return float(np.mean([validation_map(bits[:, :length], labels) for length in lengths]))

    # Of equal scores, and where none is a number, the last counts.
    return BestWeights(run, "validation_map", measure, lambda score, best: not score < best)
