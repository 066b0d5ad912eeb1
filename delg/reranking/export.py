"""Turns a trained re-ranker into a SavedModel that needs neither Keras nor this project to run."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from delg.exports.saving import is_finished, write_export
from delg.networks import model_files
from delg.reranking.network import load_reranker
from delg.reranking.pair_inputs import input_specs
from delg.settings.reranking import RerankerConfig

_FORMAT = 1
KIND = "reranker"


class PairModule(tf.Module):
    """Pairs of images to logits: `serving_default` from the inputs of `pair_inputs.input_specs`, by name, to
    `logits` float32 [B].

    Args:
        model: from `build_reranker`.
    """

    def __init__(self, model: keras.Model):
        super().__init__(name=KIND)
        self._model_variables = model.variables  # one by one: what Keras adds takes most of saving
        _, num_features, descriptor_dim = model.input["query_descriptors"].shape
        self._specs = input_specs(num_features, descriptor_dim or 0)

        def score(*values):
            return {"logits": model(dict(zip(self._specs, values)), training=False)["logit"]}

        self.serving_default = tf.function(score, input_signature=list(self._specs.values()))

    def save(self, directory: str) -> None:
        """Writes the SavedModel."""
        tf.saved_model.save(self, directory, {"serving_default": self.serving_default})


def export(model_dir: str, export_dir: str) -> dict[str, Any]:
    """Writes the SavedModel of a re-ranker's best weights, whole or not at all; a finished one is kept.

    Args:
        model_dir: written by delg.train_reranker.
        export_dir: folder to make.

    Returns:
        What `export_config.json`, beside saved_model.pb, holds: `format`, `kind`, `model` (RerankerConfig as
        dict), `features_fingerprint` (of the model of the features; empty: any) and `fingerprint` (SHA-256 of
        the weights).

    Raises:
        FileNotFoundError: if the model is not there.
        ValueError: if `export_dir` holds anything else.
    """
    model, stored = load_reranker(model_dir)
    config = {"format": _FORMAT, "kind": KIND, "model": stored["model"],
              "features_fingerprint": stored["features_fingerprint"],
              "fingerprint": model_files.fingerprint(model)}
    if not is_finished(export_dir, config, RerankerConfig):
        write_export(PairModule(model).save, config, export_dir)
    return config
