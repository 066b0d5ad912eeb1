"""What it takes to take up a training where it was interrupted, in the precision it had."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import keras


def backup_dir(model_dir: str) -> str:
    """Folder of the checkpoint that a training resumes from."""
    return os.path.join(model_dir, "backup")


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


@contextlib.contextmanager
def precision(name: str) -> Iterator[None]:
    """Keras policy of that name inside the block; variables stay float32."""
    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy(name if name == "float32" else f"mixed_{name}")
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy(before)


def plan_epochs(first_step: int, num_steps: int, steps_per_epoch: int) -> list[tuple[int, int, int]]:
    """What is left of a training, as runs of epochs of one length.

    Only the first epoch (of a run resumed inside it) and the last can be shorter than the others.

    Returns:
        (first epoch, end epoch, steps per epoch) of each call of `fit`.
    """
    runs = []
    step = first_step
    while step < num_steps:
        epoch, done = divmod(step, steps_per_epoch)
        length = min(steps_per_epoch - done, num_steps - step)
        count = (num_steps - step) // steps_per_epoch if length == steps_per_epoch else 1
        runs.append((epoch, epoch + count, length))
        step += count * length
    return runs
