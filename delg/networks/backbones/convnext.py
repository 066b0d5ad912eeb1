"""ConvNeXt as a functional Keras model, with the ImageNet weights that keras.applications has.

keras.applications builds its convolutions in groups, which on processors TensorFlow compiles anew for each
size of image. Here they are depthwise, which is the same.

Source: https://arxiv.org/abs/2201.03545.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import keras

from data_prep.stage import hdf5_files
from delg.networks.backbone import Backbone, Colours, Maps, stacked_field
from delg.networks.backbones import keras_applications
from delg.networks.layers import PadToSide
from delg.networks.transformer_layers import EPSILON, LayerScale

_DEPTHS, _CHANNELS = (3, 3, 9, 3), (96, 192, 384, 768)  # of the size called tiny
_LAYER_SCALE = 1e-6


def build_convnext(name: str, depths: Sequence[int] = _DEPTHS,
                   channels: Sequence[int] = _CHANNELS) -> keras.Model:
    """ConvNeXt without its classifier, but with the normalisation before it, of each cell.

    Layers are called `stem{,_norm}`, `stage{s}_block{b}_{depthwise,norm,dense1,dense2,scale,add}`,
    `downsampling{s}{,_norm}` and `output_norm`. Pixels below and to the right that fill no cell are left out.

    Args:
        name: of the model.
        depths: blocks of the four stages.
        channels: of the four stages.

    Returns:
        Model from normalised images [B, H, W, 3] to [B, H // 32, W // 32, channels[3]], one cell at least.
    """
    def normalised(maps, layer):
        return keras.layers.LayerNormalization(epsilon=EPSILON, name=layer)(maps)

    def block(maps, layer):
        hidden = keras.layers.DepthwiseConv2D(7, padding="same", name=f"{layer}_depthwise")(maps)
        hidden = normalised(hidden, f"{layer}_norm")
        hidden = keras.layers.Dense(4 * maps.shape[-1], "gelu", name=f"{layer}_dense1")(hidden)
        hidden = keras.layers.Dense(maps.shape[-1], name=f"{layer}_dense2")(hidden)
        hidden = LayerScale(_LAYER_SCALE, name=f"{layer}_scale")(hidden)
        return keras.layers.Add(name=f"{layer}_add")([maps, hidden])

    images = keras.Input((None, None, 3), name="normalised_images")
    maps = PadToSide(32, name="pad_to_cell")(images)
    maps = normalised(keras.layers.Conv2D(channels[0], 4, 4, name="stem")(maps), "stem_norm")
    for stage, depth in enumerate(depths):
        if stage:
            maps = normalised(maps, f"downsampling{stage}_norm")
            maps = keras.layers.Conv2D(channels[stage], 2, 2, name=f"downsampling{stage}")(maps)
        for number in range(depth):
            maps = block(maps, f"stage{stage}_block{number}")
    return keras.Model(images, normalised(maps, "output_norm"), name=name)


def field_at_stride_16(depths: Sequence[int] = _DEPTHS) -> tuple[int, int]:
    """Receptive field, size and padding, of a cell after the third stage."""
    layers = [(4, 4, 0)]
    for stage, depth in enumerate(depths[:3]):
        layers += [(2, 2, 0)] * (stage > 0) + [(7, 1, 3)] * depth
    return stacked_field(layers)


def copy_weights(original: keras.Model, network: keras.Model) -> None:
    """Sets the weights of `build_convnext` from the model of keras.applications that has its size, without
    classifier, whose layers are in the same order.
    """
    arrays = [array.transpose(0, 1, 3, 2) if array.ndim == 4 and array.shape[2] == 1 else array
              for array in original.get_weights()]  # [7, 7, 1, C] in C groups to [7, 7, C, 1]
    network.set_weights(arrays)


def load_convnext_weights(network: keras.Model, path: str) -> None:
    """Sets the weights of `build_convnext` from a file without classifier of keras.applications.

    Args:
        network: of the size called tiny.
        path: such as convnext_tiny_notop.h5.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is another file.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f"`backbone_weights` must be imagenet, none or a file. No such file: {path}.")
    what = f"a weight file of keras.applications for {network.name} without classifier (HDF5)"
    original = _original(weights=None)
    try:
        with hdf5_files.reading(path, what):
            original.load_weights(path)
    except hdf5_files.FAULTS as error:
        cause = str(error).splitlines()[0]
        raise ValueError(f"Weight file {path} must be {what}. Received: {cause}") from error
    copy_weights(original, network)


def _original(weights: str | None) -> keras.Model:
    return keras.applications.ConvNeXtTiny(weights=weights, include_top=False, include_preprocessing=False,
                                           input_shape=(None, None, 3))


def _build_pretrained(_batch_norm: type) -> keras.Model:
    network = build_convnext("convnext_tiny")
    copy_weights(keras_applications.fetched(lambda: _original("imagenet"), network.name), network)
    return network


CONVNEXT_TINY = Backbone(
    lambda _width, _image_size, _batch_norm: build_convnext("convnext_tiny"),
    published={"imagenet": _build_pretrained}, load_weights=load_convnext_weights,
    maps=Maps(f"stage2_block{_DEPTHS[2] - 1}_add", "output_norm", receptive_field=field_at_stride_16(),
              signed=True),
    colours=Colours((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
    weight_file="an .h5 file of keras.applications")
