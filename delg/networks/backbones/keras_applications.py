"""ResNet-50, ResNet-101 and MobileNetV2 as keras.applications builds them, with the ImageNet weights it has.

Source: https://arxiv.org/abs/1512.03385 (ResNet), https://arxiv.org/abs/1801.04381 (MobileNetV2).
"""

from __future__ import annotations

from collections.abc import Callable

import keras

from delg.networks.backbone import Backbone, Colours, Maps
from delg.networks.replica_batch_norm import BatchNormalization


def _record(make: Callable[..., keras.Model], name: str, **properties) -> Backbone:
    """The record of a network of keras.applications.

    Args:
        make: its function there.
        name: of the network.
        properties: fields of `Backbone`.
    """
    def build(_width: float, _image_size: int | None, batch_norm: type) -> keras.Model:
        network = make(weights=None, include_top=False, input_shape=(None, None, 3))
        return _with_batch_norm(network, batch_norm)

    def build_pretrained(batch_norm: type) -> keras.Model:
        try:
            network = make(weights="imagenet", include_top=False, input_shape=(None, None, 3))
        except Exception as error:  # a plain one where there is no network
            raise OSError(f"The ImageNet weights of {name} could not be fetched by keras.applications; give "
                          f"`backbone_weights` a weight file, or none. Cause: {error}") from error
        return _with_batch_norm(network, batch_norm)

    return Backbone(build, published={"imagenet": build_pretrained}, **properties)


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
    colours=Colours((127.5, 127.5, 127.5), (127.5, 127.5, 127.5)), pads_to_even=True,
    maps=Maps("block_13_expand_relu", "out_relu", receptive_field=(267, 118), stem="block_12_add"))
