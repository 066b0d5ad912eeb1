"""Descriptors that are compared, baselines and latents, from their files; names as in metrics.json."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from delg.networks import model_files
from delg.photometric.translation import Translator
from delg.settings.backbones import backbone_of
from delg.vectors.unit import unit_vectors
from vae.data.photographs import Photographs, in_batches, resized
from vae.latents.latents import LatentEncoder
from vae.networks.config import DOMAINS, ModelConfig
from vae.networks.model import other_domain
from vae.scores import baselines
from vae.scores.config import MethodsConfig
from vae.scores.evaluation import Describer
from vae.weighting.weight_files import read_channel_weights


def build_methods(config: MethodsConfig) -> tuple[dict[str, Describer], dict[str, str]]:
    """The methods whose files are given, by name, and for the others the reason why they are absent.

    Raises:
        FileNotFoundError: a file that is given does not exist.
        ValueError: a file is not what it should be, or weights are given without their model.
    """
    if config.channel_weights and not config.adversarial_model:
        raise ValueError("`channel_weights` needs `adversarial_model`, whose latent they weigh. Received: "
                         f"channel_weights={config.channel_weights!r} alone.")
    methods: dict[str, Describer] = {"raw_pixels": _of_images(baselines.raw_pixels)}
    absent: dict[str, str] = {}
    if config.vgg16_weights:
        methods["imagenet"] = _of_images(baselines.ImageNetFeatures("vgg16", config.vgg16_weights))
    elif config.imagenet_weights:
        methods["imagenet"] = _of_images(
            baselines.ImageNetFeatures(backbone_of(config.imagenet_weights), config.imagenet_weights))
    else:
        absent["imagenet"] = "no weight file given"
    if config.delg_saved_model:
        methods["delg"] = _of_images(baselines.DelgFeatures(config.delg_saved_model))
    else:
        absent["delg"] = "no SavedModel given"
    for name, model_dir in (("paper", config.paper_model), ("adversarial", config.adversarial_model)):
        if model_dir:
            methods[name] = LatentDescriber(LatentEncoder(model_dir))
        else:
            absent[name] = "no model given"
    if config.channel_weights:
        methods["adversarial_weighted"] = methods["adversarial"].weighted(
            list(read_channel_weights(config.channel_weights).values())[-1])
    else:
        absent["adversarial_weighted"] = "no channel weights given"
    return methods, absent


def untrained(config: MethodsConfig, training: Photographs) -> dict[str, Describer]:
    """The mended model as its training found it, if it began with a pretrained stem: `untrained_stem`, and
    where the model whitens its latents `whitened_stem`, the same with its latents whitened, and weighed by
    part where the model does so.

    Args:
        config: files of the methods.
        training: photographs over which its latents are centred.

    Raises:
        FileNotFoundError, ValueError: see `LatentEncoder.untrained`.
    """
    if not config.adversarial_model:
        return {}
    found = {"untrained_stem": LatentEncoder.untrained(config.adversarial_model, training)}
    if model_files.model_config(
            model_files.read_config(config.adversarial_model), config_class=ModelConfig).whiten_latent:
        found["whitened_stem"] = LatentEncoder.untrained(config.adversarial_model, training, whitened=True)
    return {name: LatentDescriber(encoder) for name, encoder in found.items() if encoder}


def translated(methods: Mapping[str, Describer], translator: str) -> dict[str, Describer]:
    """The methods that treat both domains alike, on photographs brought to the light of one domain.

    Args:
        methods: by name; latents, which see each domain by its own encoder, are passed over.
        translator: SavedModel of vae.export_model; empty: none.

    Returns:
        `METHOD+night_to_day`, which sees night photographs translated and day ones as they are, and
        `METHOD+day_to_night`.

    Raises:
        FileNotFoundError, ValueError: see `delg.photometric.translation.Translator`.
    """
    found: dict[str, Describer] = {}
    for domain in DOMAINS if translator else ():
        signature = f"{domain}_to_{other_domain(domain)}"
        translate = Translator(translator, signature)
        found.update({f"{name}+{signature}": _translating(method, translate, domain)
                      for name, method in methods.items() if not isinstance(method, LatentDescriber)})
    return dict(sorted(found.items()))


def _translating(method: Describer, translate: Translator, translated_domain: str) -> Describer:
    def describe(images: np.ndarray, domain: str) -> np.ndarray:
        if domain == translated_domain:
            images = np.stack([translate(image) for image in images])
        return method(images, domain)

    return describe


def _of_images(describe) -> Describer:
    """A describer that treats both domains alike."""
    return lambda images, domain: describe(images)


class LatentDescriber:
    """The pooled latent of a trained VAE, each image through the encoder of its own domain.

    Args:
        encoder: a `vae.latents.latents.LatentEncoder`.
        channel_weights: float [C], by which the latent's channels are multiplied before pooling; None: all 1.
    """

    def __init__(self, encoder: LatentEncoder, channel_weights: np.ndarray | None = None):
        self.encoder, self.channel_weights = encoder, channel_weights

    def weighted(self, channel_weights: np.ndarray) -> LatentDescriber:
        """The same latent with its channels weighted."""
        return LatentDescriber(self.encoder, channel_weights)

    def __call__(self, images: np.ndarray, domain: str) -> np.ndarray:
        images = resized(images, self.encoder.image_size)
        found = in_batches(lambda batch: self.encoder.describe(batch, domain), images)
        if self.channel_weights is None:
            return found
        num_channels = len(self.channel_weights)
        if found.shape[1] % num_channels:
            raise ValueError("`channel_weights` must be of this model: one for each channel of the latent. "
                             f"Received: {num_channels} weights, descriptors of {found.shape[1]} dimensions.")
        # Pooling is linear: weights of the map may as well be applied to its means.
        parts = found.reshape(len(found), -1, num_channels) * self.channel_weights
        return unit_vectors(parts.reshape(len(found), -1)).astype(np.float32)
