"""Turns a trained model into a SavedModel that needs neither Keras nor this project to run."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf
from absl import logging

from data_prep.stage import files
from data_prep.stage.settings import require
from data_prep.stage.stored_settings import differences, with_defaults
from delg.exports.export_config import CONFIG_FILE, read_export_config
from delg.exports.extraction_module import ExtractionModule
from delg.networks import model_files
from delg.networks.backbone import receptive_field
from delg.networks.batch_norm_folding import fold_batch_norm
from delg.networks.delg import build_delg, load_delg
from delg.settings.model import ModelConfig

_FORMAT = 1


def export(model_dir: str, export_dir: str, **pooling: Any) -> dict[str, Any]:
    """Writes the SavedModel of a model's best weights, whole or not at all.

    A finished export of the same model is kept as it is. Another pooling than was trained with needs no
    training. Source: GeM+ and Regional-GeM of SuperGlobal, https://arxiv.org/abs/2308.06954.

    Args:
        model_dir: written by `training.train`.
        export_dir: folder to make.
        pooling: `gem_power` or `global_pooling` of ModelConfig, where they are to be others than the model's.

    Returns:
        What `export_config.json`, beside saved_model.pb, holds: `format`, `model` (ModelConfig as dict),
        `attention_threshold` (number or None), `receptive_field` (size, stride, padding in pixels) and
        `fingerprint` (SHA-256 of the weights).

    Raises:
        FileNotFoundError: if the model is not there.
        ValueError: if `export_dir` holds anything else, or `global_pooling` gives other dimensions.
    """
    model, stored = load_delg(model_dir)
    made_of = {**stored["model"], **pooling}
    if made_of != stored["model"]:
        model = _pooled_otherwise(model, made_of, kept_power="gem_power" not in pooling)
    return export_built(model, made_of, stored.get("attention_threshold"), export_dir)


def _pooled_otherwise(model: keras.Model, made_of: dict[str, Any], kept_power: bool) -> keras.Model:
    """The model of other settings of pooling, with the weights of this one."""
    changed = build_delg(ModelConfig(**made_of))
    widths = [one.get_layer("whitening").kernel.shape[0] for one in (model, changed)]
    require(widths[0] == widths[1], f"`global_pooling` must give the {widths[0]} dimensions that the model "
            f"was trained with, not {widths[1]}.", global_pooling=made_of["global_pooling"])
    names = {layer.name for layer in changed.layers}
    for layer in model.layers:
        if layer.name in names and (layer.name != "gem_pooling" or kept_power):
            changed.get_layer(layer.name).set_weights(layer.get_weights())
    return changed


def export_built(model: keras.Model, made_of: dict[str, Any], attention_threshold: float | None,
                 export_dir: str, config_class: type = ModelConfig) -> dict[str, Any]:
    """Writes the SavedModel of a model with the outputs of DELG; what is returned and raised: as `export`.

    Args:
        model: see `ExtractionModule`.
        made_of: its settings, "backbone" and "local_stride" among them.
        attention_threshold: least score of a feature; None: it has learnt none.
        export_dir: folder to make.
        config_class: settings class of `made_of`.
    """
    config = {
        "format": _FORMAT, "model": made_of, "attention_threshold": attention_threshold,
        "receptive_field": list(receptive_field(made_of["backbone"], made_of["local_stride"])),
        "fingerprint": model_files.fingerprint(model)}
    if not is_finished(export_dir, config, config_class):
        write_saved_model(model, config, export_dir)
    return config


def is_finished(export_dir: str, config: dict[str, Any], config_class: type = ModelConfig) -> bool:
    """Whether `export_dir` holds the export that has this configuration.

    Args:
        export_dir: folder, which need not exist.
        config: see `export`; settings of "model" that an earlier export lacks have had their defaults.
        config_class: settings class of "model".

    Raises:
        ValueError: it holds anything else.
    """
    if not os.path.exists(export_dir) or os.path.isdir(export_dir) and not os.listdir(export_dir):
        return False
    _check_same(export_dir, config, config_class)
    logging.info("%s is finished; kept.", export_dir)
    return True


def write_saved_model(model: keras.Model, config: dict[str, Any], export_dir: str) -> None:
    """Writes a SavedModel and its `export_config.json`; `export_dir` must be empty or not exist.

    Args:
        model: from `build_delg`.
        config: see `export`.
        export_dir: folder to make.
    """
    threshold = config["attention_threshold"]
    if threshold is None:
        logging.warning("The model has learnt no attention threshold: its export keeps every feature.")
    module = ExtractionModule(fold_batch_norm(model), tuple(config["receptive_field"]), threshold or 0.0)
    write_export(module.save, config, export_dir)


def write_export(save: Callable[[str], Any], config: dict[str, Any], export_dir: str) -> None:
    """Writes a SavedModel and its `export_config.json`, whole or not at all.

    Args:
        save: writes the SavedModel to the folder it is given.
        config: JSON-able.
        export_dir: folder to make; must be empty or not exist.
    """
    with files.replacing_folder(export_dir) as temporary:
        with _quiet():
            save(temporary)
        files.write_checked_json(os.path.join(temporary, CONFIG_FILE), config)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Holds back what TensorFlow tells of saving: kilobytes of names that mean nothing to users."""
    loggers = (logging.get_absl_logger(), tf.get_logger())
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel("WARNING")
        yield
    finally:
        for logger, level in zip(loggers, levels):
            logger.setLevel(level)


def _check_same(export_dir: str, config: dict[str, Any], config_class: type) -> None:
    found = read_export_config(export_dir) if os.path.isdir(export_dir) else None
    if found is None:
        raise ValueError(f"`export_dir` must be empty or an earlier export. Received: {export_dir}, which is "
                         "something else.")
    made_of = with_defaults(config_class, found.get("model", {}), f'"model" in {export_dir}/{CONFIG_FILE}')
    different = differences({**found, "model": made_of}, config, {})
    if different:
        raise ValueError(f"{export_dir} holds the export of another model; they differ in: "
                         f"{', '.join(different)}. Remove it, or choose another `export_dir`.")
