"""A trained VAE as plain functions of images: latents, descriptors, reconstructions, translations."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import keras
import numpy as np
import tensorflow as tf

from delg.networks import model_files
from delg.settings.kinds import BACKBONES
from vae.data.photographs import Photographs, resized
from vae.latents.domain_statistics import DomainStatistics
from vae.networks.config import DOMAINS, ModelConfig
from vae.networks.layers import LatentPooling
from vae.networks.model import SHARED_LAYERS, build_vae, compared_latent, decode, encode, other_domain
from vae.networks.model_dir import load_vae

_BATCH_SIZE = 32


class LatentEncoder:
    """What a trained VAE makes of images, without noise.

    Args:
        model_dir: written by `training.train`.
        weights: "last", or "best": by validation loss.

    Attributes:
        layer_names: of the shared encoder, in order; the last is "latent", the posterior mean (with
            `center_latent` less its mean over the domain).
        image_size: pixels of the square images it was trained on; other sizes, multiples of the stride, serve
            too.
        stride: pixels per cell of the latent.
        descriptor_grid: parts along each side of the image, over which descriptors pool the latent.

    Raises:
        FileNotFoundError: a file of the model is missing.
        ValueError: a file is not what it should be.
    """

    def __init__(self, model_dir: str, weights: str = "last"):
        model, stored = load_vae(model_dir, weights)
        self._serve(model, model_files.model_config(stored, config_class=ModelConfig))

    @classmethod
    def untrained(cls, model_dir: str, training: Photographs, whitened: bool = False) -> LatentEncoder | None:
        """The same model as its training found it: the pretrained stem alone, or None of a model without one.

        Args:
            model_dir: written by `training.train`.
            training: photographs over which latents are centred, where the model does so.
            whitened: whether they are whitened over them, and their parts weighed, where the model does so.

        Raises:
            FileNotFoundError: a file of the model, or of the stem's weights, is missing.
        """
        stored = model_files.read_config(model_dir)
        config = model_files.model_config(stored, config_class=ModelConfig)
        if config.stem not in BACKBONES:
            return None
        if not whitened:
            config = dataclasses.replace(config, whiten_latent=False, weigh_parts=False)
        model = build_vae(config, stem_weights=stored["train"]["stem_weights"])
        encoder = cls.__new__(cls)
        encoder._serve(model, config)
        if config.center_latent:
            images = resized(training.images, config.image_size)
            DomainStatistics(model, config.descriptor_grid).measure(
                {domain: images[rows] for domain, rows in batch.items()}
                for batch in _both_domains(training))
        return encoder

    def _serve(self, model: keras.Model, config: ModelConfig) -> None:
        self.layer_names = SHARED_LAYERS
        self.image_size: int = config.image_size
        self.stride: int = config.stride
        self.descriptor_grid: int = config.descriptor_grid
        self._functions = image_functions(model, self.descriptor_grid)

    def encode(self, images: np.ndarray, domain: str) -> dict[str, np.ndarray]:
        """Maps of the shared layers.

        Args:
            images: uint8, [B, H, W, 3], RGB.
            domain: whose encoder: "day" or "night".

        Returns:
            Layer name to float32 [B, H/stride, W/stride, C].
        """
        return self._run("encode", images, domain)

    def describe(self, images: np.ndarray, domain: str) -> np.ndarray:
        """Descriptors to search by: the pooled latent, float32 [B, D], unit norm; see `encode`."""
        return self._run("describe", images, domain)

    def reconstruct(self, images: np.ndarray, domain: str) -> np.ndarray:
        """Images encoded and decoded in their own domain, uint8 [B, H, W, 3]; arguments as in `encode`."""
        return self._run("reconstruct", images, domain)

    def translate(self, images: np.ndarray, domain: str) -> np.ndarray:
        """Images of `domain` in the other, uint8 [B, H, W, 3]; arguments as in `encode`."""
        return self._run("translate", images, domain)

    def cycle(self, images: np.ndarray, domain: str) -> np.ndarray:
        """Images translated and translated back, uint8 [B, H, W, 3]; arguments as in `encode`."""
        return self._run("cycle", images, domain)

    def _run(self, name: str, images: np.ndarray, domain: str):
        other_domain(domain)
        shape = np.shape(images)
        if np.asarray(images).dtype != np.uint8 or len(shape) != 4 or shape[3] != 3:
            raise ValueError("`images` must be uint8 [B, H, W, 3]. "
                             f"Received: {np.asarray(images).dtype} {list(shape)}.")
        if shape[1] % self.stride or shape[2] % self.stride or not min(shape[1:3]):
            raise ValueError(f"Height and width of `images` must be multiples of {self.stride}. "
                             f"Received: {shape[1]} x {shape[2]}.")
        outputs = self._functions[f"{name}_{domain}"](tf.constant(images))
        return tf.nest.map_structure(lambda output: output.numpy(), outputs)


def _both_domains(photographs: Photographs) -> Iterator[dict[str, np.ndarray]]:
    """Rows by domain, a few at a time, until those of both have come."""
    rows = {domain: photographs.rows(domain) for domain in DOMAINS}
    for start in range(0, max(map(len, rows.values())), _BATCH_SIZE):
        yield {domain: each[start:start + _BATCH_SIZE] for domain, each in rows.items()}


def image_functions(model: keras.Model, descriptor_grid: int) -> dict[str, Callable]:
    """The methods of `LatentEncoder` as functions of tensors: `NAME_DOMAIN`, as in `encode_day`, to function.

    Args:
        model: from `build_vae`.
        descriptor_grid: of its descriptors.
    """
    pooling = LatentPooling(descriptor_grid)

    def to_latent(images, domain):
        return encode(model, images, domain, training=False)["latent"]

    def of_domain(domain):
        other = other_domain(domain)

        def encoded(images):
            maps = encode(model, _to_float(images), domain, training=False)
            maps["latent"] = compared_latent(model, maps["latent"], domain, training=False)
            return {name: tf.cast(maps[name], tf.float32) for name in SHARED_LAYERS}

        def described(images):
            latent = to_latent(_to_float(images), domain)
            return pooling(compared_latent(model, latent, domain, training=False))

        def decoded(images, target):
            return decode(model, to_latent(images, domain), target, training=False)

        def cycled(images):
            translated = decoded(_to_float(images), other)
            return decode(model, to_latent(translated, other), domain, training=False)

        return {"encode": encoded, "describe": described,
                "reconstruct": lambda images: _to_bytes(decoded(_to_float(images), domain)),
                "translate": lambda images: _to_bytes(decoded(_to_float(images), other)),
                "cycle": lambda images: _to_bytes(cycled(images))}

    signature = [tf.TensorSpec([None, None, None, 3], tf.uint8)]
    return {f"{name}_{domain}": tf.function(function, input_signature=signature)
            for domain in DOMAINS for name, function in of_domain(domain).items()}


def _to_float(images: tf.Tensor) -> tf.Tensor:
    return tf.cast(images, tf.float32) / 255.0


def _to_bytes(images: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.round(images * 255.0), tf.uint8)
