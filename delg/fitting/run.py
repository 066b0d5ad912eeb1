"""One training of any kind: its scope, its model with the checkpoint it goes on from, its best weights."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

import keras
import tensorflow as tf
from absl import logging

from data_prep.records import pipeline
from data_prep.stage import ending
from delg.fitting import agreement, averaging, backups, callbacks, resuming, strategies, summaries
from delg.fitting.averaging import WeightAverages
from delg.networks import model_files

Callbacks = Callable[[], Iterable[keras.callbacks.Callback]]


@contextlib.contextmanager
def precision(name: str) -> Iterator[None]:
    """Keras policy of that name inside the block; variables stay float32."""
    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy(name if name == "float32" else f"mixed_{name}")
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy(before)


@contextlib.contextmanager
def training(config: Any, stored: dict[str, Any], parts: int = 1) -> Iterator[Run]:
    """Inside the block a training runs: its `config.json` is written, its seed set, its precision in force,
    and variables belong to its strategy.

    Args:
        config: settings, of a subclass of FitConfig.
        stored: contents of `config.json`, see `resuming.start_config`.
        parts: that each replica computes its share of a batch in.

    Raises:
        OSError: another process trains into `model_dir`, or other machines have not started.
        ValueError: there is no such strategy here, its replicas cannot share a batch, or the workers do not
            train alike.
        ending.RunAgain: a signal has come, or another worker has ended: what was saved is gone on from.
    """
    with contextlib.ExitStack() as stack:
        heeded = stack.enter_context(ending.heeded(config.save_signal))
        strategy = strategies.build_strategy(config.strategy, config.startup_timeout)
        strategies.check_batch_size(strategy, config.batch_size, parts)
        stack.enter_context(strategy.scope())
        stack.enter_context(agreement.losing_workers())
        run = Run(config, stored, heeded)
        if run.is_chief:
            stack.enter_context(resuming.training_alone(config.model_dir))
        agreement.check_same(_compared(run))
        agreement.check_shared(config.model_dir)
        run.write_config()
        keras.utils.set_random_seed(config.seed)
        stack.enter_context(precision(config.mixed_precision))
        yield run
        agreement.total([0])  # none ends before all are done: one that is lost until then needs the others


def _compared(run: Run) -> dict[str, Any]:
    """What must be the same on all workers: all but where things lie, of which what is there counts."""
    config, compared = dataclasses.asdict(run.config), {}
    for name, value in config.items():
        if name.endswith("_pattern"):
            compared[f"images of {name}"] = pipeline.count_examples(value) if value else 0
        elif not (isinstance(value, str) and os.sep in value or name == "model_dir"):
            compared[name] = value
    return {**run.stored["model"], **compared, "whether the training is begun": run.is_begun,
            "weights that the training starts from": run.stored.get("started_from"),
            "version of TensorFlow": tf.__version__}


class Run:
    """One training: the model, its checkpoint and what is written. Made inside the scope of the strategy.

    Args:
        config: settings, of a subclass of FitConfig.
        stored: contents of `config.json`; its "best" is kept up to date.
        heeded: the signals that ask for its end.

    Attributes:
        is_chief: whether this process is the one, of all that train together, that writes files.
        is_begun: whether there is a checkpoint to go on from, so that no other weights are needed.
        synchronized: whether several replicas share the statistics of BatchNorm.
    """

    def __init__(self, config: Any, stored: dict[str, Any], heeded: ending.Heeded):
        self.config, self.stored, self.heeded = config, stored, heeded
        self.is_chief = agreement.workers()[1] == 0
        self.is_begun = backups.is_begun(config.model_dir)
        self.synchronized = tf.distribute.get_strategy().num_replicas_in_sync > 1

    def restore(self, model: keras.Model, trained: keras.Model, kept: keras.Model) -> None:
        """Sets the whole `model`, of which the compiled `trained` is fitted, from the checkpoint, if there is
        one; it holds the variables of `kept`, which is either.
        """
        self.model, self.trained = model, trained
        trained.optimizer.build(trained.trainable_variables)
        self.backups = backups.Backups(kept, trained.optimizer, self.config.model_dir)
        self.backups.restore()

    @functools.cached_property
    def writer(self) -> tf.summary.SummaryWriter:
        """Of the event file for TensorBoard."""
        if not self.is_chief:
            return tf.summary.create_noop_writer()
        return tf.summary.create_file_writer(os.path.join(self.config.model_dir, "events"))

    def save(self, weights: str, model: keras.Model | None = None) -> None:
        """Writes the weights as they are, of another model if one is given, as the "best" or the "last"."""
        path = model_files.weight_path(self.config.model_dir, weights)
        model_files.save_weights(model or self.model, path if self.is_chief else None)

    def load(self, weights: str, model: keras.Model | None = None) -> None:
        """Sets the weights, of another model if one is given, from a file of `save`."""
        agreement.total([0])  # once the first has written it
        model_files.load_weights(model or self.model, model_files.weight_path(self.config.model_dir, weights))

    def write_config(self) -> None:
        """Writes `config.json` as it is stored."""
        if self.is_chief:
            model_files.write_config(self.config.model_dir, self.stored)

    def fit(self, batches: Callable[[int, int, int, int], tf.data.Dataset], events: Callbacks,
            pictures: Callbacks = tuple, validation_data: tf.data.Dataset | None = None,
            images_per_row: int = 1, averages: WeightAverages | None = None,
            new_batches_at: Collection[int] = (), **variables: tf.Variable) -> bool:
        """Fits the steps that are left, and returns whether there were any.

        Args:
            batches: see `strategies.shared_batches`.
            events: callbacks before those that write of an epoch, `pictures` those after its numbers are in
                TensorBoard; both are asked for once, if any step is left.
            pictures: see above.
            validation_data: as Keras' `fit` takes it.
            images_per_row: images of each row of a batch.
            averages: which validation, `events` and `pictures` see and `last.weights.h5` holds; the steps and
                the checkpoint go on from the weights themselves. None: these count.
            new_batches_at: steps between epochs at which `batches` is asked anew, as for other images.
            variables: scalars shown in TensorBoard.
        """
        config = self.config

        def all_events() -> list[keras.callbacks.Callback]:
            guard = callbacks.StopOnBadLoss(config.learning_rate)
            return [guard, callbacks.SkippedSteps(),
                    *([] if averages is None else [averaging.ShowAverages(averages)]), *events(),
                    summaries.TrainingSummaries(self.writer, images_per_row * config.batch_size, variables),
                    *pictures(), *([callbacks.HistoryTable(config.model_dir)] if self.is_chief else []),
                    callbacks.LastWeights(self.save),
                    *([] if averages is None else [averaging.HideAverages(averages)]),
                    callbacks.Backup(self.backups, self.heeded, guard, config.backup_steps,
                                     config.backup_minutes)]

        agreement.check_same({"step": int(self.trained.optimizer.iterations.numpy())})
        try:
            any_left = resuming.fit_to_last_step(
                self.trained, config,
                lambda step: strategies.shared_batches(batches, step, config.batch_size), all_events,
                validation_data, new_batches_at)
        finally:
            self.backups.wait()
        self.heeded.release()
        return any_left


class BestWeights(keras.callbacks.Callback):
    """At the end of each epoch: measures the model, and keeps its weights if they are the best so far.

    Adds the score to the logs of the epoch, so that `history.csv` and TensorBoard show it.

    Args:
        run: whose "best" in `config.json` is {"epoch", "step", name} of the weights kept.
        name: of the score.
        measure: from the logs of an epoch to its score; None: there is none, and nothing is kept.
        is_better: whether a score, given first, is better than the best so far.
    """

    def __init__(self, run: Run, name: str, measure: Callable[[dict[str, Any]], float | None],
                 is_better: Callable[[float, float], bool]):
        super().__init__()
        self.run, self.name, self.measure, self.is_better = run, name, measure, is_better

    def on_epoch_end(self, epoch, logs=None):
        self.keep(epoch, int(self.model.optimizer.iterations.numpy()), logs)

    def keep(self, epoch: int, step: int, logs: dict[str, Any]) -> None:
        """Measures the weights as they are at a step, and keeps the best; `epoch` -1: before any."""
        score = self.measure(logs)
        if score is None:
            return
        # Of several workers that of the first counts: other machines may round it otherwise.
        logs[self.name] = score = next(iter(agreement.of_all(float(score)).values()))
        stored = self.run.stored
        best = stored["best"]
        logging.info("Epoch %d: %s %.4f (best before: %s).", epoch + 1, self.name, score,
                     f"{best[self.name]:.4f}" if best else "none")
        if best is None or self.is_better(score, best[self.name]):
            self.run.save("best")
            stored["best"] = {"epoch": epoch, "step": step, self.name: score}
            self.run.write_config()
