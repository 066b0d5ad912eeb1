"""Checkpoints that a training goes on from: copied in a moment, written beside the training, three kept."""

from __future__ import annotations

import os
import re
import shutil
from concurrent import futures
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from absl import logging
from google.protobuf import message

from data_prep.stage import files
from delg.fitting import agreement
from delg.networks import model_files
from delg.networks.replicas import parted_variables

_KEPT = 3  # the latest
_NAME = re.compile(r"ckpt-(\d+)\.index")
_NOT_RESTORED = (tf.errors.OpError, AssertionError, ValueError, KeyError, IndexError, TypeError,
                 AttributeError, RuntimeError, message.DecodeError)


def backup_dir(model_dir: str) -> str:
    """Folder of the checkpoints that a training resumes from."""
    return os.path.join(model_dir, "backup")


def is_begun(model_dir: str) -> bool:
    """Whether a model directory holds a checkpoint to go on from."""
    return bool(_finished(model_dir))


def latest(model_dir: str) -> str | None:
    """Path, without suffix, of the newest checkpoint of a model directory; None: there is none."""
    names = _finished(model_dir)
    return os.path.join(backup_dir(model_dir), names[0]) if names else None


def restore_model(model: keras.Model, path: str) -> None:
    """Sets the variables of a model alone from a checkpoint of its training.

    Raises:
        ValueError: it is not whole, or of another model.
    """
    try:
        tf.train.Checkpoint(model=model).restore(path).assert_existing_objects_matched().expect_partial()
    except _NOT_RESTORED as error:
        raise ValueError(f"Checkpoint {path} must be whole, and of the model in {model_files.CONFIG_FILE}. "
                         f"Received: {type(error).__name__}.") from error


def _finished(model_dir: str) -> list[str]:
    """Names of the checkpoints that are there, the latest first; ValueError where it cannot be told.

    The file `checkpoint` names those that were finished; where it is damaged, those that seem to be count.
    """
    folder = backup_dir(model_dir)
    names_file = os.path.join(folder, "checkpoint")
    if not os.path.exists(names_file):
        return []
    found = [match for name in os.listdir(folder) if (match := _NAME.fullmatch(name))]
    found = [f"ckpt-{match[1]}" for match in sorted(found, key=lambda match: -int(match[1]))]
    try:
        state = tf.train.get_checkpoint_state(folder)
        named = {os.path.basename(path) for path in state.all_model_checkpoint_paths} if state else set()
    except ValueError:  # an empty file
        named = set()
    if named.intersection(found):
        return [name for name in found if name in named]
    if not found:
        raise ValueError(f"{names_file} must name a checkpoint that is there. Received: a file that is "
                         "damaged, or whose checkpoint is gone; to train anew, remove the folder.")
    logging.warning("%s names no checkpoint that is there; those beside it are tried.", names_file)
    return found


class Backups:
    """Checkpoints of one training.

    Every worker has to restore, and to save at the same steps: some values are means over all of them. The
    first alone writes.

    Args:
        model: what is kept of it, with all its variables.
        optimizer: of the training; its variables are made.
        model_dir: folder of the model.
    """

    def __init__(self, model: keras.Model, optimizer: keras.optimizers.Optimizer, model_dir: str):
        self._parts = {"model": model, "optimizer": optimizer}
        self._model_dir, self._folder = model_dir, backup_dir(model_dir)
        self._is_writer = agreement.workers()[1] == 0
        self._thread = futures.ThreadPoolExecutor(1)
        self._written: futures.Future | None = None

    def restore(self) -> None:
        """Sets all variables from the latest checkpoint that is whole, if there is any, and clears the others
        that are not.

        Raises:
            ValueError: none is whole, or they are of another model.
        """
        checkpoint, faults = tf.train.Checkpoint(**self._parts), []
        names = next(iter(agreement.of_all(_finished(self._model_dir)).values()))
        for name in names:
            path, fault = os.path.join(self._folder, name), None
            try:
                checkpoint.restore(path).assert_existing_objects_matched()
            except _NOT_RESTORED as error:
                fault = error
            if not agreement.total([fault is not None])[0]:
                logging.info("Resuming %s from step %d.", self._model_dir,
                             int(self._parts["optimizer"].iterations.numpy()))
                break
            faults.append((path, fault))
            if name != names[-1]:
                logging.warning("Checkpoint %s is not whole and is passed over for the one before it (%s).",
                                path, type(fault).__name__ if fault else "of another worker")
        else:
            if faults:
                path, error = faults[0]
                raise ValueError(f"Checkpoint {path} must be whole, and of this model. Received: "
                                 f"{type(error).__name__}; to train anew, remove its folder.") from error
        if self._is_writer:
            self._clear(names[len(faults):])

    def _clear(self, names: list[str]) -> None:
        """Removes all but these: what killed processes left unfinished, and checkpoints that are damaged."""
        if names:  # in TensorFlow's form, whose own function for it is deprecated
            with files.replacing(os.path.join(self._folder, "checkpoint")) as temporary, \
                    open(temporary, "w", encoding="utf-8") as file:
                file.write(f'model_checkpoint_path: "{names[0]}"\nlast_preserved_timestamp: 0\n')
                for time, name in enumerate(reversed(names), 1):  # without times all would be preserved
                    file.write(f'all_model_checkpoint_paths: "{name}"\n'
                               f"all_model_checkpoint_timestamps: {time}\n")
        for name in os.listdir(self._folder) if os.path.isdir(self._folder) else ():
            if name != "checkpoint" and name.split(".")[0] not in names:
                path = os.path.join(self._folder, name)
                shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)

    @property
    def is_writing(self) -> bool:
        """Whether the last checkpoint is not yet on the disk."""
        return self._written is not None and not self._written.done()

    def save(self, step: int) -> None:
        """Copies all variables as they are after a step; a thread writes the copy when the one before it is
        written.
        """
        self.wait()
        copies = {name: _Copy(part, self._is_writer) for name, part in self._parts.items()}
        if self._is_writer:
            self._written = self._thread.submit(self._write, copies, step)

    def wait(self) -> None:
        """Returns when the last checkpoint is written.

        Raises:
            OSError: it could not be.
        """
        written, self._written = self._written, None
        if written is not None:
            written.result()

    def _write(self, copies: dict[str, _Copy], step: int) -> None:
        with files.saying_when_full(self._folder), tf.device("CPU:0"):
            checkpoint = tf.train.Checkpoint(**{name: copy.checkpoint() for name, copy in copies.items()})
            tf.train.CheckpointManager(checkpoint, self._folder, max_to_keep=_KEPT).save(step)


class _Copy:
    """What the variables below an object hold in one moment, in main memory.

    Args:
        root: the object.
        is_kept: else what is a mean over all workers, or parted among them, is read along with them, and no
            more.
    """

    def __init__(self, root: tf.Module, is_kept: bool):
        view = tf.train.TrackableView(root)
        self._root, self._values, self._children = id(root), {}, {}
        for part in view.descendants():
            if not isinstance(part, tf.Variable):
                self._children[id(part)] = {name: id(child) for name, child in view.children(part).items()}
            elif parted_variables.is_parted(part):
                rows = [rows for _, rows in parted_variables.parts(part)]
                self._values[id(part)] = np.concatenate(rows) if is_kept else rows[0]
            elif is_kept or part.synchronization == tf.VariableSynchronization.ON_READ:
                self._values[id(part)] = part.numpy()

    def checkpoint(self) -> tf.train.Checkpoint:
        """Objects and variables of the same names, so that what is written of them can be read into the root.

        Called once, and outside the scope of a strategy, as in a thread of its own.
        """
        made: dict[int, Any] = {part: tf.train.Checkpoint() for part in self._children}
        while self._values:
            part, value = self._values.popitem()
            made[part] = tf.Variable(value)
        for part, children in self._children.items():
            for name, child in children.items():
                setattr(made[part], name, made[child])
        return made[self._root]
