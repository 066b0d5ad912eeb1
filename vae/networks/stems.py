"""Pretrained networks that encoders may begin with."""

from __future__ import annotations

import keras

from delg.networks.backbone import build_backbone
from delg.settings.kinds import BACKBONES


def build_stem(name: str, width: float = 1.0, weights: str = "none") -> keras.Model:
    """The first layers of a backbone; preprocessing is its first layer.

    Their last is the sum of a residual branch of stride 16 before any ReLU: signed, as latents are.

    Args:
        name: backbone with a layer for stems, such as mobilenet_v2.
        width: channel factor; 1 for most backbones.
        weights: of the whole backbone: "imagenet", "package", "none" or a file, see
            `delg.networks.backbone.build_backbone`.

    Returns:
        Model `stem` from images, float [B, H, W, 3] in [0, 1], sides multiples of 16, to maps
        [B, H/16, W/16, C]: 96 channels of mobilenet_v2, 120 of efficientnet_lite2, 256 * width of resnet18.

    Raises:
        ValueError: weights that do not fit.
        FileNotFoundError: `weights` names no file.
    """
    backbone = build_backbone(name, width, weights)
    network = backbone.get_layer(name)
    layers = keras.Model(network.input, network.get_layer(BACKBONES[name].maps.stem).output, name=name)
    images = keras.Input((None, None, 3), name="images", dtype="float32")
    # In float32, since 0..255 needs more digits than bfloat16 has.
    pixels = keras.layers.Rescaling(255.0, dtype="float32", name="pixels")(images)
    return keras.Model(images, layers(backbone.get_layer("normalization")(pixels)), name="stem")
