"""The re-ranker as a functional Keras model: the local features of two images in, a logit out."""

from __future__ import annotations

import keras

from delg.networks import model_files
from delg.reranking.pair_inputs import SIDES, input_specs
from delg.settings.kinds import PAIR_TOKENS
from delg.settings.reranking import RerankerConfig


def build_reranker(config: RerankerConfig) -> keras.Model:
    """A re-ranker with random weights.

    Args:
        config: what it is made of.

    Returns:
        Model from the dict of `pair_inputs.input_specs` to {"logit": float32 [B]}: above 0 where it takes
        the two images for ones of one landmark. The order of the two changes nothing, nor does padding.
    """
    inputs = {name: keras.Input(spec.shape[1:], name=name, dtype=spec.dtype)
              for name, spec in input_specs(config.num_features, config.descriptor_dim).items()}
    first, second = (tuple(inputs[f"{side}_{part}"] for part in ("descriptors", "places", "mask"))
                     for side in SIDES)
    pooled = PAIR_TOKENS[config.tokens].encode(first, second, config)
    hidden = keras.layers.Dense(config.width, "relu", name="head")(pooled)
    logit = keras.layers.Dense(1, name="score", dtype="float32")(hidden)
    return keras.Model(inputs, {"logit": keras.layers.Reshape([], name="logit", dtype="float32")(logit)},
                       name="reranker")


def load_reranker(model_dir: str, weights: str = "best"):
    """A trained re-ranker, "best" or "last", and the contents of its `config.json`.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is not what it should be.
    """
    return model_files.load_model(model_dir, weights, RerankerConfig, build_reranker)
