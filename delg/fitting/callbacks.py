"""What happens while a model trains: one event, one callback."""

from __future__ import annotations

import math
import os

import keras
import pandas as pd
import rich.progress
import tensorflow as tf

from data_prep.stage import files
from delg.networks import model_files

_CHECK_EVERY = 20  # steps; reading the loss waits for the accelerator


class _EachStep(keras.callbacks.Callback):
    """Does something at the end of some steps, of which it counts all."""

    def __init__(self, backup_steps: int):
        super().__init__()
        self._supports_tf_logs = True
        self.backup_steps = backup_steps

    def on_train_begin(self, logs=None):
        self._step = int(self.model.optimizer.iterations.numpy())

    def on_train_batch_end(self, batch, logs=None):
        self._step += 1
        self._ends_epoch = batch + 1 == self.params["steps"]
        self._on_step(logs)

    def _is_due(self, every: int) -> bool:
        return every > 0 and self._step % every == 0


class StopOnBadLoss(_EachStep):
    """Ends training with a clear error when the loss is no longer a number.

    Comes before the callbacks that write, so that no bad weights are kept.

    Args:
        learning_rate: named in the message.
        backup_steps: also look where the backup does.
    """

    def __init__(self, learning_rate: float, backup_steps: int = 0):
        super().__init__(backup_steps)
        self.learning_rate = learning_rate

    def _on_step(self, logs):
        if self._is_due(_CHECK_EVERY) or self._is_due(self.backup_steps):
            self._check(logs)

    def on_epoch_end(self, epoch, logs=None):
        self._check(logs)

    def _check(self, logs):
        loss = float(logs["loss"])
        if not math.isfinite(loss):
            raise ValueError(f"The loss must stay finite; it was {loss} by step {self._step}. Lower "
                             "`learning_rate` or, where there is one, raise `warmup_steps`. "
                             f"Received: learning_rate={self.learning_rate}.")


class Steps(keras.callbacks.Callback):
    """Counts the steps of a training in a progress bar.

    Args:
        bar: of `data_prep.stage.progress`.
        num_steps: of the whole training.
    """

    def __init__(self, bar: rich.progress.Progress, num_steps: int):
        super().__init__()
        self._supports_tf_logs = True
        self.bar, self.row = bar, bar.add_task("Training", total=num_steps)

    def on_train_begin(self, logs=None):
        self.bar.update(self.row, completed=int(self.model.optimizer.iterations.numpy()))

    def on_train_batch_end(self, batch, logs=None):
        self.bar.advance(self.row)


class HistoryTable(keras.callbacks.Callback):
    """Keeps `history.csv`: one row per epoch with all its logs; redone epochs replace their rows.

    Args:
        model_dir: where it goes.
    """

    def __init__(self, model_dir: str):
        super().__init__()
        self.path = os.path.join(model_dir, "history.csv")

    def on_epoch_end(self, epoch, logs=None):
        row = pd.DataFrame([{"epoch": epoch, **{name: float(value) for name, value in logs.items()}}])
        if os.path.exists(self.path):
            rows = pd.read_csv(self.path)
            row = pd.concat([rows[rows["epoch"] < epoch], row], ignore_index=True)
        with files.replacing(self.path) as temporary:
            row.to_csv(temporary, index=False)


class LastWeights(keras.callbacks.Callback):
    """At the end of each epoch writes `last.weights.h5`.

    Args:
        model: the whole model.
        model_dir: where the weights go.
    """

    def __init__(self, model: keras.Model, model_dir: str):
        super().__init__()
        self.whole_model, self.model_dir = model, model_dir

    def on_epoch_end(self, epoch, logs=None):
        model_files.save_weights(self.whole_model, model_files.weight_path(self.model_dir, "last"))


class Backup(_EachStep):
    """At the end of each epoch writes the checkpoint that a killed run resumes from.

    It comes after all else that happens then, so a run that is killed before it does the epoch again.

    Args:
        manager: of the checkpoint of model and optimizer.
        backup_steps: steps between checkpoints; 0: only at the end of each epoch.
    """

    def __init__(self, manager: tf.train.CheckpointManager, backup_steps: int = 0):
        super().__init__(backup_steps)
        self.manager = manager

    def _on_step(self, logs):
        # A checkpoint of an epoch's last step says that the epoch is done; what it ends with comes before.
        if self._is_due(self.backup_steps) and not self._ends_epoch:
            self.manager.save(checkpoint_number=self._step)

    def on_epoch_end(self, epoch, logs=None):
        self.manager.save(checkpoint_number=self._step)
