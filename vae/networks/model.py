"""The double VAE as functional Keras models: two encoders and two decoders that share their inner layers.

A model of `build_vae` is made of six parts, each a layer of it: `day_lower_encoder`, `night_lower_encoder`,
`upper_encoder` (shared), `lower_decoder` (shared), `day_upper_decoder` and `night_upper_decoder`. `encode`
and `decode` join them. Inside, images are float in [0, 1]. Maps of the latent have H/s x W/s cells, where s
is the stride: 4, or 16 for encoders that begin with a pretrained stem.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from delg.settings.kinds import BACKBONES
from vae.networks.config import (
    DOMAINS,
    INPUT_NORMALIZATIONS,
    NORMALIZATIONS,
    UP_NORMALIZATIONS,
    ModelConfig,
)
from vae.networks.layers import LatentCentring, LatentWhitening, PartWeighting
from vae.networks.stems import build_stem

_CHANNELS = (64, 128, 256)  # specs of the original, section 1.1: of UNIT's generator
_SHARED_BLOCKS = ("shared_1", "shared_2")
# Layers of the shared encoder that `encode` gives, in order; the last is the posterior mean.
SHARED_LAYERS = ("shared_1_conv1", "shared_1_relu", "shared_1_conv2", "shared_1_out", "shared_2_conv1",
                 "shared_2_relu", "shared_2_conv2", "latent")

MEASURED_LAYERS = ("latent_whitening", "part_weighting")  # after the centring, in this order


def other_domain(domain: str) -> str:
    """Night of day and day of night.

    Raises:
        ValueError: `domain` is neither.
    """
    if domain not in DOMAINS:
        raise ValueError(f"`domain` must be day or night. Received: domain={domain!r}.")
    return DOMAINS[1 - DOMAINS.index(domain)]


def build_vae(config: ModelConfig, synchronized: bool = False, stem_weights: str = "none") -> keras.Model:
    """The whole model, in inference mode without noise.

    With a stem, both encoders begin with it, one and the same, its BatchNorm always in inference mode. Their
    residual blocks then start as identities, so that the latent starts as the map of the stem.

    Args:
        config: what it is made of.
        synchronized: BatchNorm shares its batch statistics between replicas.
        stem_weights: that the stem starts from, see `stems.build_stem`.

    Returns:
        Model `vae` from {"day", "night"}, RGB images [B, H, W, 3] in 0..255, uint8 or float, sides multiples
        of the stride s, to a dict of float maps: `day_latent` and `night_latent` [B, H/s, W/s, C], see
        `compared_latent`; `day_reconstruction`, `night_reconstruction`, `day_to_night` and `night_to_day`
        [B, H, W, 3] in [0, 1]. C is 256 * width, or the channels of the stem.

    Raises:
        ValueError, FileNotFoundError: see `stems.build_stem`.
    """
    stem = build_stem(config.stem, config.stem_width, stem_weights) if config.stem in BACKBONES else None
    channels = _scaled(_CHANNELS[-1], config) if stem is None else stem.output_shape[-1]
    parts = {"upper_encoder": _upper_encoder(config, channels),
             "lower_decoder": _residual_part("lower_decoder", ("lower_1", "lower_2"), channels, config)}
    for domain in DOMAINS:
        parts[f"{domain}_lower_encoder"] = _lower_encoder(f"{domain}_lower_encoder", stem, channels, config)
        parts[f"{domain}_upper_decoder"] = _upper_decoder(f"{domain}_upper_decoder", channels, config,
                                                          synchronized)
    images = {domain: keras.Input((None, None, 3), name=domain) for domain in DOMAINS}
    outputs = {}
    measured = [layer for layer, is_wanted in (
        (LatentWhitening(name="latent_whitening"), config.whiten_latent),
        (PartWeighting(config.descriptor_grid, name="part_weighting"), config.weigh_parts)) if is_wanted]
    for domain in DOMAINS:
        scaled = keras.layers.Rescaling(1 / 255, name=f"{domain}_rescaling")(images[domain])
        latent = parts["upper_encoder"](parts[f"{domain}_lower_encoder"](scaled))["latent"]
        shared = parts["lower_decoder"](latent)
        other = other_domain(domain)
        centring = LatentCentring(config.image_size // config.stride, name=f"{domain}_centring")
        compared = centring(latent) if config.center_latent else latent
        for layer in measured:
            compared = layer(compared)
        outputs[f"{domain}_latent"] = compared
        outputs[f"{domain}_reconstruction"] = parts[f"{domain}_upper_decoder"](shared)
        outputs[f"{domain}_to_{other}"] = parts[f"{other}_upper_decoder"](shared)
    return keras.Model(images, outputs, name="vae")


def encode(model: keras.Model, images: tf.Tensor, domain: str, training: bool) -> dict[str, tf.Tensor]:
    """What the shared encoder makes of images.

    Args:
        model: from `build_vae`.
        images: float, [B, H, W, 3], in [0, 1].
        domain: whose encoder: "day" or "night".
        training: of BatchNorm.

    Returns:
        The maps of SHARED_LAYERS, [B, H/s, W/s, C]; with a learnt variance also `log_variance`.
    """
    lower = model.get_layer(f"{domain}_lower_encoder")(images, training=training)
    return model.get_layer("upper_encoder")(lower, training=training)


def compared_latent(model: keras.Model, latent: tf.Tensor, domain: str, training: bool) -> tf.Tensor:
    """What images are compared by: the posterior mean, with `center_latent` less its mean over the domain,
    then as `weighed_latent` says.

    Args:
        model: from `build_vae`.
        latent: float, [B, h, w, C], of `encode`.
        domain: of the images.
        training: of the centring.
    """
    names = {layer.name for layer in model.layers}
    if f"{domain}_centring" in names:
        latent = model.get_layer(f"{domain}_centring")(latent, training=training)
    return weighed_latent(model, latent)


def weighed_latent(model: keras.Model, latent: tf.Tensor) -> tf.Tensor:
    """A centred latent [B, h, w, C] of a model of `build_vae`, with `whiten_latent` decorrelated, with
    `weigh_parts` its parts weighed."""
    names = {layer.name for layer in model.layers}
    for name in MEASURED_LAYERS:
        latent = model.get_layer(name)(latent) if name in names else latent
    return latent


def decode(model: keras.Model, latent: tf.Tensor, domain: str, training: bool) -> tf.Tensor:
    """Images of a domain, float32 [B, H, W, 3] in [0, 1], from latents [B, H/s, W/s, C]."""
    lower = model.get_layer("lower_decoder")(latent, training=training)
    return model.get_layer(f"{domain}_upper_decoder")(lower, training=training)


def stem_of(model: keras.Model) -> keras.Model | None:
    """The stem of a model of `build_vae`, if it has one."""
    lower = model.get_layer(f"{DOMAINS[0]}_lower_encoder")
    return next((layer for layer in lower.layers if layer.name == "stem"), None)


def _scaled(count: int, config: ModelConfig) -> int:
    return max(1, round(config.width * count))


def _convolution(maps, channels: int, size: int, name: str, stride: int = 1, is_zero: bool = False):
    """Convolution with zero padding, and the uniform initial values of the original's framework, or zeros."""
    limit = 0.0 if is_zero else (size * size * maps.shape[-1]) ** -0.5
    kernel, bias = (keras.initializers.RandomUniform(-limit, limit) for _ in range(2))
    return keras.layers.Conv2D(channels, size, stride, padding="same", kernel_initializer=kernel,
                               bias_initializer=bias, name=name)(maps)


def _normalised(maps, config: ModelConfig, name: str, is_zero: bool = False):
    if config.normalization not in NORMALIZATIONS:
        return maps
    return NORMALIZATIONS[config.normalization](f"{name}_norm", "zeros" if is_zero else "ones")(maps)


def _residual_block(maps, channels: int, config: ModelConfig, name: str, out: str, is_identity: bool = False):
    """Two convolutions with a ReLU between them are added to what came in; nothing follows the sum.

    If it is to start as the identity, the last of its layers that has weights starts at zero: normalisation
    would blow up the gradient of a convolution that gives zeros.
    """
    ends_in_convolution = config.normalization not in NORMALIZATIONS
    branch = _convolution(maps, channels, 3, f"{name}_conv1")
    branch = keras.layers.ReLU(name=f"{name}_relu")(_normalised(branch, config, f"{name}_conv1"))
    branch = _convolution(branch, channels, 3, f"{name}_conv2", is_zero=is_identity and ends_in_convolution)
    branch = _normalised(branch, config, f"{name}_conv2", is_zero=is_identity)
    return keras.layers.Add(name=out)([maps, branch])


def _residual_part(name: str, blocks: tuple[str, ...], channels: int, config: ModelConfig) -> keras.Model:
    inputs = maps = keras.Input((None, None, channels))
    for block in blocks:
        maps = _residual_block(maps, channels, config, block, f"{block}_out")
    return keras.Model(inputs, maps, name=name)


def _lower_encoder(name: str, stem: keras.Model | None, channels: int, config: ModelConfig) -> keras.Model:
    inputs = maps = keras.Input((None, None, 3))
    if stem is not None:
        # Statistics of a few photographs are worse than those it was pretrained with.
        maps = _normalised(stem(maps, training=False), config, "stem")
    else:
        if config.input_normalization in INPUT_NORMALIZATIONS:
            maps = INPUT_NORMALIZATIONS[config.input_normalization](name="input_norm")(maps)
        for number, (count, size, stride) in enumerate(zip(_CHANNELS, (7, 4, 4), (1, 2, 2)), start=1):
            maps = _convolution(maps, _scaled(count, config), size, f"conv{number}", stride)
            maps = keras.layers.ReLU(name=f"conv{number}_relu")(_normalised(maps, config, f"conv{number}"))
    for block in ("private_1", "private_2"):
        maps = _residual_block(maps, channels, config, block, f"{block}_out", stem is not None)
    return keras.Model(inputs, maps, name=name)


def _upper_encoder(config: ModelConfig, channels: int) -> keras.Model:
    inputs = maps = keras.Input((None, None, channels))
    for block in _SHARED_BLOCKS:
        out = "latent" if block == _SHARED_BLOCKS[-1] else f"{block}_out"
        maps = _residual_block(maps, channels, config, block, out, config.stem in BACKBONES)
    taps = keras.Model(inputs, maps)
    outputs = {name: taps.get_layer(name).output for name in SHARED_LAYERS}
    if config.learn_variance:
        # Zero at the start: a variance of one, as in the original.
        outputs["log_variance"] = keras.layers.Conv2D(channels, 1, kernel_initializer="zeros",
                                                      name="log_variance")(outputs["shared_1_out"])
    return keras.Model(inputs, outputs, name="upper_encoder")


def _upper_decoder(name: str, channels: int, config: ModelConfig, synchronized: bool) -> keras.Model:
    inputs = maps = keras.Input((None, None, channels))
    for block in ("private_1", "private_2"):
        maps = _residual_block(maps, channels, config, block, f"{block}_out")
    normalization = UP_NORMALIZATIONS[config.up_normalization]
    num_stages = config.stride.bit_length() - 1  # each doubles the sides
    counts = [min(_CHANNELS[-1], _CHANNELS[0] << stage) for stage in reversed(range(num_stages))]
    for number, count in enumerate(counts, start=1):
        maps = keras.layers.UpSampling2D(2, interpolation="nearest", name=f"up{number}")(maps)
        maps = _convolution(maps, _scaled(count, config), 5, f"up{number}_conv")
        maps = normalization(f"up{number}_norm", synchronized=synchronized)(maps)
        maps = keras.layers.ReLU(name=f"up{number}_relu")(maps)
    maps = _convolution(maps, 3, 7, "out_conv")
    # In float32, since images of 8 bits need more digits than bfloat16 has.
    images = keras.layers.Activation("sigmoid", dtype="float32", name="images")(maps)
    return keras.Model(inputs, images, name=name)
