"""Backbones with named taps: a local map of stride 16 or 32 and a global map of stride 32."""

from __future__ import annotations

import functools

import keras

from delg.networks.layers import BatchNormalization, ImageNormalization, PadToEven, Subsampling
from delg.networks.resnet18 import build_resnet18
from delg.networks.weights.keras_files import load_backbone_weights

_TAPS = {  # layer of the local map, layer of the global map
    "resnet50": ("conv4_block6_out", "conv5_block3_out"),
    "resnet101": ("conv4_block23_out", "conv5_block3_out"),
    "mobilenet_v2": ("block_13_expand_relu", "out_relu"),
    "resnet18": ("layer3_1_out", "layer4_1_out"),
}
_RECEPTIVE_FIELDS = {  # size and padding of the stride-16 map, pixels; tests measure them on the models
    "resnet50": (291, 145),
    "resnet101": (835, 417),
    "mobilenet_v2": (267, 118),
    "resnet18": (211, 105),
}
_COLOURS = {  # mean and deviation per channel, whether the order becomes BGR: as the ImageNet weights expect
    "resnet50": ((123.68, 116.779, 103.939), (1, 1, 1), True),
    "resnet101": ((123.68, 116.779, 103.939), (1, 1, 1), True),
    "mobilenet_v2": ((127.5, 127.5, 127.5), (127.5, 127.5, 127.5), False),
    "resnet18": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375), False),
}
_APPLICATIONS = {
    "resnet50": keras.applications.ResNet50,
    "resnet101": keras.applications.ResNet101,
    "mobilenet_v2": keras.applications.MobileNetV2,
}


def receptive_field(name: str, local_stride: int = 16) -> tuple[int, int, int]:
    """Where a cell of the local map looks.

    Cell (i, j) sees rows stride * i - padding to stride * i - padding + size - 1, and columns likewise,
    whatever the size of the image; its centre is at row stride * i - padding + (size - 1) / 2, where whole
    numbers are pixel centres. For the residual networks that is stride * i; mobilenet_v2 pads at the end of
    each side only, which puts the centre at stride * i + 15.

    Args:
        name: backbone.
        local_stride: 16 or 32.

    Returns:
        size, stride, padding; pixels.
    """
    size, padding = _RECEPTIVE_FIELDS[name]
    return size, local_stride, padding


def _normalization(name: str, images):
    mean, deviation, reverse_channels = _COLOURS[name]
    maps = ImageNormalization(mean, deviation, reverse_channels, name="normalization")(images)
    return PadToEven(name="pad_to_even")(maps) if name == "mobilenet_v2" else maps


def _synchronized(network: keras.Model) -> keras.Model:
    """The same network with BatchNorm whose statistics are those of the batch of all replicas."""
    def clone(layer):
        is_batch_norm = isinstance(layer, keras.layers.BatchNormalization)
        return (BatchNormalization if is_batch_norm else type(layer)).from_config(layer.get_config())

    copy = keras.models.clone_model(network, clone_function=clone)
    copy.set_weights(network.get_weights())
    return copy


def build_backbone(name: str, width: float = 1.0, weights: str = "imagenet", local_stride: int = 16,
                   synchronized: bool = False) -> keras.Model:
    """Backbone from images to the maps of DELG's two branches; preprocessing is its first layer.

    Args:
        name: resnet50, resnet101, mobilenet_v2 or resnet18.
        width: channel factor of resnet18; 1 for the others.
        weights: "imagenet" (keras.applications downloads them), "none", or a weight file, see
            `backbone_weights.load_backbone_weights`.
        local_stride: 16; or 32, which keeps every second cell of the local map (the global map is the same).
        synchronized: BatchNorm shares its batch statistics between replicas.

    Returns:
        Model `backbone` from RGB images [B, H, W, 3], 0..255, uint8 or float, to a dict of maps that are not
        negative: `local` [B, H/stride, W/stride, c] and `global` [B, H/32, W/32, C], sides rounded up
        (mobilenet_v2: odd sides of inner maps are rounded down).

    Raises:
        ValueError: unknown name, a width that the backbone does not have, or weights that do not fit.
        FileNotFoundError: `weights` names no file.
    """
    if name not in _TAPS:
        raise ValueError(f"`backbone` must be one of {', '.join(_TAPS)}. Received: backbone={name!r}.")
    if name == "resnet18":
        if weights == "imagenet":
            raise ValueError("Keras publishes no ImageNet weights for resnet18: `backbone_weights` must be "
                             "none or a weight file. Received: backbone_weights='imagenet'.")
        batch_norm = BatchNormalization if synchronized else keras.layers.BatchNormalization
        network = build_resnet18(width, batch_norm)
    else:
        if width != 1:
            raise ValueError(f"`width` must be 1 for every backbone but resnet18. Received: width={width}, "
                             f"backbone={name!r}.")
        network = _application(name, "imagenet" if weights == "imagenet" else None)
    if weights not in ("imagenet", "none"):
        load_backbone_weights(network, weights)
    if synchronized and name != "resnet18":
        network = _synchronized(network)
    local, deep = (network.get_layer(tap).output for tap in _TAPS[name])
    if local_stride == 32:
        local = Subsampling(2, name="local_subsampling")(local)
    taps = keras.Model(network.input, {"local": local, "global": deep}, name=name)
    images = keras.Input((None, None, 3), name="images", dtype="float32")
    return keras.Model(images, taps(_normalization(name, images)), name="backbone")


def _application(name: str, weights: str | None) -> keras.Model:
    build = functools.partial(_APPLICATIONS[name], include_top=False, input_shape=(None, None, 3))
    try:
        return build(weights=weights)
    except (OSError, ValueError) as error:
        if weights is None:
            raise
        raise OSError(f"The ImageNet weights of {name} could not be fetched by keras.applications; give "
                      f"`backbone_weights` a weight file, or none. Cause: {error}") from error


def freeze_batch_norm(backbone: keras.Model) -> None:
    """Fixes the BatchNorm layers of a backbone, which then run in inference mode."""
    for network in backbone.layers:
        for layer in getattr(network, "layers", ()):
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = False
