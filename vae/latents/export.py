"""Turns a trained VAE into a SavedModel that needs neither Keras nor this project to run.

Signatures, all from `images`, uint8 [B, H, W, 3] RGB of any size:

    encode_day, encode_night    latent, float32 [B, h, w, C]; descriptor, float32 [B, D], unit norm. Images
                                are resized to the square that the model was trained on.
    day_to_night, night_to_day  images, uint8 [B, H, W, 3], at their own size.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf

from delg.exports import saving
from delg.networks import model_files
from vae.latents.latents import image_functions
from vae.networks.config import DOMAINS, ModelConfig
from vae.networks.model import other_domain
from vae.networks.model_dir import load_vae

_FORMAT = 1


def export_vae(model_dir: str, export_dir: str, weights: str = "last") -> dict[str, Any]:
    """Writes the SavedModel of a trained VAE, whole or not at all; a finished one of the same model is kept.

    Args:
        model_dir: written by `training.train`.
        export_dir: folder to make.
        weights: "last", or "best": by validation loss.

    Returns:
        What `export_config.json`, beside saved_model.pb, holds: `format`, `kind` ("vae"), `model`
        (ModelConfig as dict) and `fingerprint` (SHA-256 of the weights).

    Raises:
        FileNotFoundError: if the model is not there.
        ValueError: if `export_dir` holds anything else.
    """
    model, stored = load_vae(model_dir, weights)
    config = {"format": _FORMAT, "kind": "vae", "model": stored["model"],
              "fingerprint": model_files.fingerprint(model)}
    if not saving.is_finished(export_dir, config, ModelConfig):
        module = DayNightModule(model, model_files.model_config(stored, config_class=ModelConfig))
        saving.write_export(module.save, config, export_dir)
    return config


class DayNightModule(tf.Module):
    """What is exported.

    Args:
        model: from `build_vae`.
        config: what it is made of.
    """

    def __init__(self, model: keras.Model, config: ModelConfig):
        super().__init__()
        self._variables = model.variables  # tracked one by one, as what Keras adds is not needed
        self._size = [config.image_size] * 2  # to which images are resized before they are encoded
        self._stride = config.stride
        self._functions = image_functions(model, config.descriptor_grid)

    def save(self, path: str) -> None:
        """Writes the SavedModel."""
        save_functions_of_images(self, {
            name: functools.partial(function, domain) for domain in DOMAINS
            for name, function in ((f"encode_{domain}", self._encode),
                                   (f"{domain}_to_{other_domain(domain)}", self._translate))}, path)

    def _encode(self, domain, images):
        resized = tf.image.resize(images, self._size, antialias=True)
        resized = tf.cast(resized + 0.5, tf.uint8)  # resizing stays within [0, 255], so that this rounds
        return {"latent": self._functions[f"encode_{domain}"](resized)["latent"],
                "descriptor": self._functions[f"describe_{domain}"](resized)}

    def _translate(self, domain, images):
        return {"images": at_any_size(self._functions[f"translate_{domain}"], images, self._stride)}


def save_functions_of_images(module: tf.Module, functions: Mapping[str, Callable], path: str) -> None:
    """Writes a SavedModel of signatures that take `images`, uint8 [B, H, W, 3].

    Args:
        module: holds the variables of the functions.
        functions: by the name of their signature; from such a tensor to a dict of tensors.
        path: of the folder.
    """
    images, signatures = tf.TensorSpec([None, None, None, 3], tf.uint8, name="images"), {}
    for name, function in functions.items():
        # The function is held by the module, or its variables would not be saved.
        setattr(module, name, tf.function(function, input_signature=[images]))
        signatures[name] = getattr(module, name)
    tf.saved_model.save(module, path, signatures=signatures)


def at_any_size(translate: Callable, images: tf.Tensor, stride: int) -> tf.Tensor:
    """What a function that wants sides that are multiples of a stride gives for images of any: [B, H, W, 3].

    They are continued by their mirror image, and what comes of that is cut off.
    """
    shape = tf.shape(images)
    right, below = -shape[2] % stride, -shape[1] % stride
    padded = tf.pad(images, [[0, 0], [0, below], [0, right], [0, 0]], mode="SYMMETRIC")
    return translate(padded)[:, :shape[1], :shape[2]]
