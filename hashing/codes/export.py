"""Turns a trained hashing model into a SavedModel that needs neither Keras nor this project to run."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from data_prep.stage.stored_settings import from_stored
from delg.exports.saving import is_finished, write_export
from delg.networks import model_files
from hashing.codes.code_module import CodeModule
from hashing.networks.config import ModelConfig
from hashing.networks.model_dir import load_hashing

_FORMAT = 1
KIND = "hashing"


def export(model_dir: str, export_dir: str, weights: str = "best", num_bits: int = 0) -> dict[str, Any]:
    """Writes the SavedModel of a model, whole or not at all; a finished export of the same model is kept.

    Args:
        model_dir: written by `training.train`.
        export_dir: folder to make.
        weights: "best" or "last".
        num_bits: the first bits of the model's codes, of a length that it was trained at; 0: all.

    Returns:
        What `export_config.json`, beside saved_model.pb, holds: `format`, `kind`, `model` (ModelConfig as
        dict) and `fingerprint` (SHA-256 of the weights).

    Raises:
        FileNotFoundError: if the model is not there.
        ValueError: if `export_dir` holds anything else, or the codes cannot be cut to `num_bits`.
    """
    model, stored = load_hashing(model_dir, weights)
    made_of = from_stored(ModelConfig, stored["model"], model_dir).cut(num_bits)
    as_stored = json.loads(json.dumps(dataclasses.asdict(made_of)))  # tuples are lists
    config = {"format": _FORMAT, "kind": KIND, "model": as_stored,
              "fingerprint": model_files.fingerprint(model)}
    if not is_finished(export_dir, config, ModelConfig):
        write_export(CodeModule(model, made_of.image_size, made_of.code_size).save, config, export_dir)
    return config
