"""Pretrained networks that encoders may begin with."""

from __future__ import annotations

import keras

from delg.networks.backbones import build_backbone

# Sums of residual branches of stride 16, before any ReLU: signed, as latents are. Of several layers and sizes
# those that found the day of most night photographs of webcams that are not reported, with each channel of
# an image normalised.
_TAPS = {"mobilenet_v2": "block_12_add", "resnet18": "layer3_0_add"}


def build_stem(name: str, width: float = 1.0, weights: str = "none") -> keras.Model:
    """The first layers of a backbone; preprocessing is its first layer.

    Args:
        name: mobilenet_v2 or resnet18.
        width: channel factor of resnet18; 1 for mobilenet_v2.
        weights: of the whole backbone: "imagenet", "none" or a file, see
            `delg.networks.backbones.build_backbone`.

    Returns:
        Model `stem` from images, float [B, H, W, 3] in [0, 1], sides multiples of 16, to maps
        [B, H/16, W/16, C]: 96 channels of mobilenet_v2, 256 * width of resnet18.

    Raises:
        ValueError: weights that do not fit.
        FileNotFoundError: `weights` names no file.
    """
    backbone = build_backbone(name, width, weights)
    network = backbone.get_layer(name)
    layers = keras.Model(network.input, network.get_layer(_TAPS[name]).output, name=name)
    images = keras.Input((None, None, 3), name="images", dtype="float32")
    # In float32, since 0..255 needs more digits than bfloat16 has.
    pixels = keras.layers.Rescaling(255.0, dtype="float32", name="pixels")(images)
    return keras.Model(images, layers(backbone.get_layer("normalization")(pixels)), name="stem")
