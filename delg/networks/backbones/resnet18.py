"""ResNet-18 as a functional Keras model, of any width: the backbone for processors."""

from __future__ import annotations

import keras
import numpy as np

from delg.networks.backbone import Backbone, Colours, Maps
from delg.networks.weights.keras_files import match_by_order
from delg.networks.weights.safetensors_files import read_resnet18_layers

_CHANNELS = (64, 128, 256, 512)  # conv2_x to conv5_x; https://arxiv.org/abs/1512.03385, table 1
_EPSILON = 1e-5


def _convolution(maps, channels, size, stride, name, batch_norm):
    """Convolution padded by size // 2 zeros on every side, so that cell i is centred on pixel stride * i."""
    if size > 1:
        maps = keras.layers.ZeroPadding2D(size // 2, name=f"{name}_pad")(maps)
    maps = keras.layers.Conv2D(channels, size, stride, use_bias=False, kernel_initializer="he_normal",
                               name=name)(maps)
    return batch_norm(name=f"{name}_bn")(maps)


def _residual_block(maps, channels, stride, name, batch_norm):
    shortcut = maps
    if stride > 1 or maps.shape[-1] != channels:
        shortcut = _convolution(maps, channels, 1, stride, f"{name}_downsample_0", batch_norm)
    maps = _convolution(maps, channels, 3, stride, f"{name}_conv1", batch_norm)
    maps = keras.layers.ReLU(name=f"{name}_relu1")(maps)
    maps = _convolution(maps, channels, 3, 1, f"{name}_conv2", batch_norm)
    maps = keras.layers.Add(name=f"{name}_add")([shortcut, maps])
    return keras.layers.ReLU(name=f"{name}_out")(maps)


def build_resnet18(width: float = 1.0, batch_norm=keras.layers.BatchNormalization) -> keras.Model:
    """ResNet-18 without its classifier.

    Layers are called `conv1`, `layer{1..4}_{0,1}_conv{1,2}` and `layer{2,3,4}_0_downsample_0`, each followed
    by `..._bn`; block outputs are `layer{1..4}_{0,1}_out`. All padding is explicit and symmetric.
    Source: https://arxiv.org/abs/1512.03385.

    Args:
        width: factor of all channel counts, rounded, at least one channel.
        batch_norm: makes a batch normalisation layer; called with `name`, `epsilon` and `momentum`.

    Returns:
        Model from normalised images [B, H, W, 3] to [B, ceil(H/32), ceil(W/32), 512 * width].
    """
    def normalisation(name):
        return batch_norm(name=name, epsilon=_EPSILON, momentum=0.9)  # chosen for short trainings

    channels = [max(1, round(width * count)) for count in _CHANNELS]
    images = keras.Input((None, None, 3), name="normalised_images")
    maps = _convolution(images, channels[0], 7, 2, "conv1", normalisation)
    maps = keras.layers.ReLU(name="conv1_relu")(maps)
    maps = keras.layers.ZeroPadding2D(1, name="pool1_pad")(maps)  # after ReLU zeros cannot win a maximum
    maps = keras.layers.MaxPooling2D(3, 2, name="pool1")(maps)
    for stage, stage_channels in enumerate(channels, start=1):
        for block in range(2):
            stride = 2 if stage > 1 and block == 0 else 1
            maps = _residual_block(maps, stage_channels, stride, f"layer{stage}_{block}", normalisation)
    return keras.Model(images, maps, name="resnet18")


def unfold_batch_norm(layers: dict[str, list[np.ndarray]],
                      network: keras.Model) -> dict[str, list[np.ndarray]]:
    """Arrays of a ResNet-18 whose batch normalisation was folded into biased convolutions.

    A bias becomes the offset of the normalisation (mean 0, variance 1), which in inference is the same
    function. In training it is not: freeze the batch normalisation.

    Args:
        layers: kernel and bias of each convolution, as a Keras file names it: by class and order.
        network: from `build_resnet18`.

    Returns:
        By layer of the network; stages that the file lacks are absent.
    """
    stored = {}
    for name, (kernel, bias) in match_by_order(network, layers).items():
        stored[name] = [kernel]
        stored[f"{name}_bn"] = [np.ones_like(bias), bias, np.zeros_like(bias),
                                np.full_like(bias, 1.0 - _EPSILON)]
    return stored


RESNET18 = Backbone(
    lambda width, _image_size, batch_norm: build_resnet18(width, batch_norm),
    maps=Maps("layer3_1_out", "layer4_1_out", receptive_field=(211, 105), stem="layer3_0_add"),
    colours=Colours((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)), has_any_width=True,
    read_safetensors=read_resnet18_layers, unfold_batch_norm=unfold_batch_norm)
