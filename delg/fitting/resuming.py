"""What it takes to take up a training where it was interrupted, in the precision it had."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import keras
import tensorflow as tf

from data_prep.stage import lock, progress, stored_settings
from delg.fitting import backups, callbacks
from delg.networks import model_files

_MAY_CHANGE = ("train_pattern", "model_dir", "validation_pattern", "backup_steps", "backup_minutes",
               "save_signal", "strategy", "startup_timeout")


def earlier_contents(config: Any) -> dict[str, Any] | None:
    """What `config.json` holds of the run that is to be resumed; None where there is none.

    Its "train" has the defaults of the settings that came after the run was begun.

    Args:
        config: settings with `model_dir`, of the class that "train" holds.

    Raises:
        ValueError: "train" holds settings that this version does not know.
    """
    if not backups.is_begun(config.model_dir):
        return None
    contents = model_files.read_config(config.model_dir)
    source = f"\"train\" in {os.path.join(config.model_dir, model_files.CONFIG_FILE)}"
    return {**contents, "train": stored_settings.with_defaults(type(config), contents["train"], source)}


def refuse_other_settings(model_dir: str, before: Mapping[str, Any], now: Mapping[str, Any],
                          may_change: Collection[str]) -> None:
    """Checks that a training is taken up with the settings it was begun with.

    Args:
        model_dir: named in the message.
        before: settings of the training that `model_dir` holds.
        now: settings asked for.
        may_change: names of those that need not be equal.

    Raises:
        ValueError: others than those differ.
    """
    changed = [f"{name}={before.get(name)!r} then, {now[name]!r} now" for name in now
               if name not in may_change and now[name] != before.get(name)]
    if changed:
        raise ValueError("`model_dir` holds a training with other settings; repeat them or choose another "
                         f"`model_dir`. Received: {model_dir}, {'; '.join(changed)}.")


def start_config(config: Any, model_config: Any, may_change: Collection[str] = (),
                 **found: Any) -> dict[str, Any]:
    """Contents of `config.json` at the start of a training: with results of the run to be resumed, if any.

    Args:
        config: settings, of a subclass of FitConfig.
        model_config: what its model is made of, a dataclass.
        may_change: names of settings that need not be those of the run to be resumed, besides the patterns,
            the folder, the strategy, its wait, and when checkpoints are written.
        found: what else is kept, and what it is before a new training.

    Raises:
        ValueError: the run had other settings, or other classes.
    """
    found["best"] = None
    settings = {"model": dataclasses.asdict(model_config), "train": dataclasses.asdict(config)}
    stored = {**json.loads(json.dumps(settings)), **found}  # as the file gives them back: tuples are lists
    earlier = earlier_contents(config)
    if earlier is None:
        return stored

    def compared(contents: dict[str, Any]) -> dict[str, Any]:
        num_classes = contents.get("num_classes", contents["model"].get("num_classes"))
        return {**contents["train"], "num_classes": num_classes}

    refuse_other_settings(config.model_dir, compared(earlier), compared(stored), (*_MAY_CHANGE, *may_change))
    return {**stored, **{name: earlier.get(name) for name in found}}


def training_alone(model_dir: str) -> contextlib.AbstractContextManager[None]:
    """Keeps other trainings out of a folder, which is made if absent, in the block.

    Raises:
        OSError: another process trains into it.
    """
    return lock.alone_in(model_dir, "model_dir", "trained into")


def fit_to_last_step(trained: keras.Model, config: Any, batches_from: Callable[[int], Iterable],
                     make_callbacks: Callable[[], list[keras.callbacks.Callback]],
                     validation_data: tf.data.Dataset | None = None,
                     new_batches_at: Collection[int] = ()) -> bool:
    """Fits the steps that are left of a training, in epochs that begin and end where they would have.

    Args:
        trained: compiled; its optimizer has counted the steps done so far.
        config: settings with `num_steps` and `steps_per_epoch`.
        batches_from: from a number of steps done to the batches after them.
        make_callbacks: called once, if any step is left.
        validation_data: as `fit` takes it.
        new_batches_at: steps between epochs at which `batches_from` is asked anew.

    Returns:
        Whether any step was left.
    """
    def steps_done() -> int:
        return int(trained.optimizer.iterations.numpy())

    runs = plan_epochs(steps_done(), config.num_steps, config.steps_per_epoch, new_batches_at)
    if not runs:
        return False
    is_watched = sys.stdout.isatty()  # then Keras shows a bar of each epoch
    with contextlib.nullcontext() if is_watched else progress.bar("steps") as bar:
        events = [*make_callbacks(), *([] if bar is None else [callbacks.Steps(bar, config.num_steps)])]
        for first_epoch, end_epoch, num_steps in runs:
            trained.fit(batches_from(steps_done()), initial_epoch=first_epoch, epochs=end_epoch,
                        steps_per_epoch=num_steps, validation_data=validation_data, callbacks=events,
                        verbose=1 if is_watched else 2)
    return True


def plan_epochs(first_step: int, num_steps: int, steps_per_epoch: int,
                cuts: Collection[int] = ()) -> list[tuple[int, int, int]]:
    """What is left of a training, as runs of epochs of one length, none of which goes on past a cut.

    `cuts` are steps between epochs. Only the first epoch (of a run resumed inside it) and the last can be
    shorter than the others.

    Returns:
        (first epoch, end epoch, steps per epoch) of each call of `fit`.
    """
    runs = []
    step = first_step
    while step < num_steps:
        epoch, done = divmod(step, steps_per_epoch)
        length = min(steps_per_epoch - done, num_steps - step)
        end = min((cut for cut in cuts if cut > step), default=num_steps)
        count = (end - step) // steps_per_epoch if length == steps_per_epoch else 1
        runs.append((epoch, epoch + count, length))
        step += count * length
    return runs
