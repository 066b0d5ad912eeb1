"""SavedModels, made here or elsewhere: loaded with a message that serves, and known by their weights."""

from __future__ import annotations

import hashlib
import os

import tensorflow as tf

from delg.exports.export_config import read_export_config


def check_is_there(saved_model: str, flag: str, maker: str) -> None:
    """Raises FileNotFoundError unless a folder holds a SavedModel.

    Args:
        saved_model: the folder.
        flag: that named it, for the message.
        maker: the script that makes such models, for the message.
    """
    if not os.path.exists(os.path.join(saved_model, "saved_model.pb")):
        raise FileNotFoundError(f"`{flag}` must be the folder of a SavedModel, as {maker} makes it. "
                                f"No saved_model.pb in: {saved_model}.")


def load(saved_model: str):
    """The module of a SavedModel. Raises ValueError where TensorFlow cannot load it."""
    try:
        return tf.saved_model.load(saved_model)
    except Exception as error:  # damaged files make TensorFlow fail in any way
        said = (str(error).strip().splitlines() or ["nothing"])[0]
        raise ValueError(f"{saved_model} must be a SavedModel that TensorFlow can load. "
                         f"Received: {type(error).__name__}: {said[:200]}.") from error


def fingerprint_of(saved_model: str) -> str:
    """SHA-256 that stands for the weights: of `export_config.json`, or of the files of a model without it."""
    exported = read_export_config(saved_model)
    return exported["fingerprint"] if exported else _files_hash(saved_model)


def _files_hash(saved_model: str) -> str:
    """SHA-256 of a SavedModel's graph and variables, if it has any."""
    digest = hashlib.sha256()
    variables = os.path.join(saved_model, "variables")
    names = sorted(os.listdir(variables)) if os.path.isdir(variables) else []
    for path in (os.path.join(saved_model, "saved_model.pb"),
                 *(os.path.join(variables, name) for name in names)):
        with open(path, "rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):  # noqa: B023
                digest.update(block)
    return digest.hexdigest()
