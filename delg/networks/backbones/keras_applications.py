"""ResNet, MobileNetV2 and EfficientNetV2 as keras.applications builds them, with the ImageNet weights it has.

Source: https://arxiv.org/abs/1512.03385 (ResNet), https://arxiv.org/abs/1801.04381 (MobileNetV2),
https://arxiv.org/abs/2104.00298 (EfficientNetV2).
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import keras

from delg.networks.backbone import Backbone, Colours, Maps, stacked_field
from delg.networks.replica_batch_norm import BatchNormalization


def _record(make: Callable[..., keras.Model], name: str, **properties) -> Backbone:
    """The record of a network of keras.applications.

    Args:
        make: its function there.
        name: of the network.
        properties: fields of `Backbone`.
    """
    def made(weights: str | None, batch_norm: type) -> keras.Model:
        network = make(weights=weights, include_top=False, input_shape=(None, None, 3))
        if network.name != name:
            network = keras.Model(network.input, network.output, name=name)
        return _with_batch_norm(network, batch_norm)

    def build(_width: float, _image_size: int | None, batch_norm: type) -> keras.Model:
        return made(None, batch_norm)

    def build_pretrained(batch_norm: type) -> keras.Model:
        return fetched(lambda: made("imagenet", batch_norm), name)

    return Backbone(build, published={"imagenet": build_pretrained}, **properties)


def fetched(make: Callable[[], keras.Model], name: str) -> keras.Model:
    """A network with weights that keras.applications fetches.

    Args:
        make: gives it.
        name: of the backbone.

    Raises:
        OSError: they could not be fetched.
    """
    try:
        return make()
    except Exception as error:  # a plain one where there is no network
        raise OSError(f"The ImageNet weights of {name} could not be fetched by keras.applications; give "
                      f"`backbone_weights` a weight file, or none. Cause: {error}") from error


def _with_batch_norm(network: keras.Model, batch_norm: type) -> keras.Model:
    """The same network, its BatchNorm of another class."""
    if batch_norm is not BatchNormalization:
        return network

    def clone(layer):
        is_batch_norm = isinstance(layer, keras.layers.BatchNormalization)
        return (batch_norm if is_batch_norm else type(layer)).from_config(layer.get_config())

    copy = keras.models.clone_model(network, clone_function=clone)
    copy.set_weights(network.get_weights())
    return copy


_CAFFE = Colours((123.68, 116.779, 103.939), (1, 1, 1), reverse_channels=True)
RESNET50 = _record(
    keras.applications.ResNet50, "resnet50", colours=_CAFFE,
    maps=Maps("conv4_block6_out", "conv5_block3_out", receptive_field=(291, 145)))
RESNET101 = _record(
    keras.applications.ResNet101, "resnet101", colours=_CAFFE,
    maps=Maps("conv4_block23_out", "conv5_block3_out", receptive_field=(835, 417)))
# The stem is, of several layers and sizes, the one that found the day of most night photographs of webcams
# that are not reported, with each channel of an image normalised.
MOBILENET_V2 = _record(
    keras.applications.MobileNetV2, "mobilenet_v2",
    colours=Colours((127.5, 127.5, 127.5), (127.5, 127.5, 127.5)), side_multiple=2,
    maps=Maps("block_13_expand_relu", "out_relu", receptive_field=(267, 118), stem="block_12_add"))


def _efficientnet_v2(make: Callable[..., keras.Model], name: str, repeats: tuple[int, ...],
                     colours: Colours) -> Backbone:
    """The record of a size of EfficientNetV2.

    Squeeze-and-excitation weighs whole channels by the whole map: the receptive field is that of the
    convolutions. They are padded as "same" is, so sides of maps must be even down to stride 16.

    Args:
        make: its function in keras.applications.
        name: of the network.
        repeats: blocks of each of the five stages before stride 32.
        colours: what the network expects.
    """
    layers = [(3, 2, 0)]  # padding of an even side is at its end
    for stride, count in zip((1, 2, 2, 2, 1), repeats):
        layers += [(3, stride, 2 - stride), *[(3, 1, 1)] * (count - 1)]
    maps = Maps("block6a_expand_activation", "top_activation", receptive_field=stacked_field(layers),
                signed=True)
    return _record(functools.partial(make, include_preprocessing=False), name, colours=colours, maps=maps,
                   side_multiple=16)


EFFICIENTNETV2_B0 = _efficientnet_v2(
    keras.applications.EfficientNetV2B0, "efficientnetv2_b0", (1, 2, 2, 3, 5),
    Colours((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)))
EFFICIENTNETV2_S = _efficientnet_v2(
    keras.applications.EfficientNetV2S, "efficientnetv2_s", (2, 4, 4, 6, 9),
    Colours((128.0, 128.0, 128.0), (128.0, 128.0, 128.0)))
