"""What happens while a model trains: one event, one callback."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

import keras
import pandas as pd
import rich.progress
from absl import logging

from data_prep.stage import ending, files
from delg.fitting import agreement
from delg.fitting.backups import Backups

_CHECK_EVERY = 20  # steps; reading the loss waits for the accelerator
_SLOW_END = 5.0  # seconds of what ends an epoch, for which a run that is told to end does not wait; chosen


class _EachStep(keras.callbacks.Callback):
    """Does something at the end of each step, of which it counts all; or where Keras gives several steps to
    the accelerator at once (`steps_per_execution`), after the last of them.
    """

    def __init__(self):
        super().__init__()
        self._supports_tf_logs = True

    def on_train_begin(self, logs=None):
        self._step = self._first_step = int(self.model.optimizer.iterations.numpy())

    def on_epoch_begin(self, epoch, logs=None):
        self._first_step = self._step

    def on_train_batch_end(self, batch, logs=None):
        self._before, self._step = self._step, self._first_step + batch + 1
        self._on_step(self.params["steps"] - batch - 1, logs)

    def _has_passed(self, every: int) -> bool:
        """Whether a multiple of some steps is among those just taken."""
        return self._step // every > self._before // every


class StopOnBadLoss(_EachStep):
    """Ends training with a clear error when the loss is no longer a number.

    Comes before the callbacks that write, so that no bad weights are kept.

    Args:
        learning_rate: named in the message.
    """

    def __init__(self, learning_rate: float):
        super().__init__()
        self.learning_rate = learning_rate

    def _on_step(self, num_left, logs):
        if self._has_passed(_CHECK_EVERY):
            self.check(logs)

    def on_epoch_end(self, epoch, logs=None):
        self.check(logs)

    def check(self, logs: Mapping[str, Any]) -> None:
        """Raises the error if it is no number."""
        loss = float(logs["loss"])
        if not math.isfinite(loss):
            raise ValueError(f"The loss must stay finite; it was {loss} by step {self._step}. Lower "
                             "`learning_rate` or, where there is one, raise `warmup_steps`. "
                             f"Received: learning_rate={self.learning_rate}.")


class SkippedSteps(keras.callbacks.Callback):
    """Says at the end of an epoch how many steps float16 has skipped, if there are new ones."""

    def __init__(self):
        super().__init__()
        self._supports_tf_logs = True
        self._said = 0

    def on_epoch_end(self, epoch, logs=None):
        optimizer = self.model.optimizer
        if not isinstance(optimizer, keras.mixed_precision.LossScaleOptimizer):
            return
        num_steps = int(optimizer.iterations.numpy())
        num_skipped = num_steps - int(optimizer.inner_optimizer.num_updates.numpy())
        if num_skipped > self._said:
            logging.warning("%d of %d steps changed nothing, since gradients were too large for float16; the "
                            "loss scale is %g now, and the learning rate has waited.", num_skipped,
                            num_steps, float(optimizer.loss_scale))
        self._said = num_skipped


class Steps(_EachStep):
    """Counts the steps of a training in a progress bar.

    Args:
        bar: of `data_prep.stage.progress`.
        num_steps: of the whole training.
    """

    def __init__(self, bar: rich.progress.Progress, num_steps: int):
        super().__init__()
        self.bar, self.row = bar, bar.add_task("Training", total=num_steps)

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        self.bar.update(self.row, completed=self._step)

    def _on_step(self, num_left, logs):
        self.bar.update(self.row, completed=self._step)


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
    """At the end of each epoch writes `last.weights.h5`, or takes part in it.

    Args:
        save: see `Run.save`.
    """

    def __init__(self, save: Callable[[str], None]):
        super().__init__()
        self.save = save

    def on_epoch_end(self, epoch, logs=None):
        self.save("last")


class Backup(_EachStep):
    """Writes the checkpoints that an interrupted run resumes from, and ends a run that is told to end.

    One is written at the end of each epoch, every some steps and every some minutes; one more when any worker
    was told to end, after the next step at which they ask each other. What ends an epoch may take long:
    where it does, a checkpoint before its last step lets the workers end at any time of it.

    It comes after all else that happens, so a run that is killed before the end of an epoch does it again.

    Args:
        backups: of the training.
        heeded: what a signal asks of it.
        guard: keeps bad weights from being written.
        backup_steps: steps between checkpoints; 0: none by steps.
        backup_minutes: time between checkpoints; 0: none by time.
    """

    def __init__(self, backups: Backups, heeded: ending.Heeded, guard: StopOnBadLoss, backup_steps: int = 0,
                 backup_minutes: float = 0.0):
        super().__init__()
        self.backups, self.heeded, self.guard = backups, heeded, guard
        self.backup_steps, self.backup_minutes = backup_steps, backup_minutes
        self._saved_at = time.monotonic()
        self._epoch_ends_slowly = True  # as long as it is not known

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        self._asked_at, self._ask_at = (self._step, time.monotonic()), self._step + 1
        self.heeded.hold()

    def _on_step(self, num_left, logs):
        if num_left == 0:
            self._ended_at = time.monotonic()
            if self._epoch_ends_slowly:
                self.heeded.release()
            return
        ends_next = num_left <= self._step - self._before
        is_due = self.backup_steps > 0 and self._has_passed(self.backup_steps)
        is_due |= ends_next and self._epoch_ends_slowly
        if self._step >= self._ask_at or ends_next:
            is_due |= self._ask(logs)
        if is_due:
            self._save(logs)

    def _ask(self, logs) -> bool:
        """Whether a checkpoint is due by the first worker's clock; ends the run if any is told to end."""
        now, is_first = time.monotonic(), agreement.workers()[1] == 0
        is_late = now - self._saved_at >= 60 * self.backup_minutes > 0 and not self.backups.is_writing
        step, asked_at = self._asked_at
        seconds = (now - asked_at) / (self._step - step)
        num_told, num_late, seconds = agreement.total(
            [bool(self.heeded.signal), is_first and is_late, is_first and seconds])
        self._end_if(num_told, logs)
        self._asked_at = self._step, now
        self._ask_at = self._step + agreement.steps_between(float(seconds))
        return num_late > 0

    def _end_if(self, num_told: float, logs) -> None:
        if num_told:
            self._save(logs)
            self.backups.wait()
            raise self.heeded.ended(f"the checkpoint of step {self._step} is written")

    def _save(self, logs) -> None:
        self.guard.check(logs)
        self.backups.save(self._step)
        self._saved_at = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        self.heeded.hold()
        is_slow = time.monotonic() - self._ended_at > _SLOW_END
        num_told, num_slow = agreement.total([bool(self.heeded.signal), is_slow])
        self._epoch_ends_slowly = num_slow > 0
        self._end_if(num_told, logs)
        self._save(logs)
