"""Accelerators of this machine: memory taken as it is needed, and one process to each."""

from __future__ import annotations

import contextlib
import os
import tempfile

import tensorflow as tf
from absl import logging

from data_prep.stage import lock

_held = contextlib.ExitStack()  # locks that end with the process
_claimed: list[int] = []


def grow_memory() -> None:
    """Has TensorFlow take memory of accelerators as it needs it, so that several processes may share one.

    Where it runs already, all stays as it is.
    """
    for device in tf.config.list_physical_devices("GPU"):
        with contextlib.suppress(RuntimeError):
            tf.config.experimental.set_memory_growth(device, True)


def claim_one() -> int | None:
    """Has this process compute on an accelerator that no other process of this machine has claimed.

    When all are claimed the processes share them, in turn by their numbers. To be called before TensorFlow
    computes. A second call changes nothing.

    Returns:
        Number of the accelerator; None: there are fewer than two.
    """
    devices = tf.config.list_physical_devices("GPU")
    if len(devices) < 2:
        return None
    if not _claimed:
        _claimed.append(next((number for number in range(len(devices)) if _lock(number)),
                             os.getpid() % len(devices)))
        try:
            tf.config.set_visible_devices(devices[_claimed[0]], "GPU")
        except RuntimeError:
            logging.warning("TensorFlow computed before accelerator %d was claimed; this process uses all.",
                            _claimed[0])
    return _claimed[0]


def _lock(number: int) -> bool:
    folder = os.path.join(tempfile.gettempdir(), f"claimed_accelerators_{os.getuid()}")
    os.makedirs(folder, exist_ok=True)
    try:
        _held.enter_context(lock.locked(os.path.join(folder, str(number)), "It is claimed."))
    except OSError:
        return False
    return True
