"""Turns a trained hashing model into a SavedModel that needs neither Keras nor this project to run."""

from __future__ import annotations

from typing import Any

from delg.exports.saving import is_finished, write_export
from delg.networks import model_files
from hashing.codes.code_module import CodeModule
from hashing.networks.config import ModelConfig
from hashing.networks.model_dir import load_hashing

_FORMAT = 1
KIND = "hashing"


def export(model_dir: str, export_dir: str, weights: str = "best") -> dict[str, Any]:
    """Writes the SavedModel of a model, whole or not at all; a finished export of the same model is kept.

    Args:
        model_dir: written by `training.train`.
        export_dir: folder to make.
        weights: "best" or "last".

    Returns:
        What `export_config.json`, beside saved_model.pb, holds: `format`, `kind`, `model` (ModelConfig as
        dict) and `fingerprint` (SHA-256 of the weights).

    Raises:
        FileNotFoundError: if the model is not there.
        ValueError: if `export_dir` holds anything else.
    """
    model, stored = load_hashing(model_dir, weights)
    config = {"format": _FORMAT, "kind": KIND, "model": stored["model"],
              "fingerprint": model_files.fingerprint(model)}
    if not is_finished(export_dir, config, ModelConfig):
        write_export(CodeModule(model, stored["model"]["image_size"]).save, config, export_dir)
    return config
