"""Backbones: the record that says what one is, and the network that is built by it.

Which there are stands in `delg.settings.kinds.BACKBONES`; their records are in `delg.networks.backbones`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping

import keras
import numpy as np

from delg.networks.layers import ImageNormalization, PadToMultiple, Subsampling
from delg.networks.replica_batch_norm import BatchNormalization
from delg.networks.weights import keras_files
from delg.settings.backbones import PUBLISHERS, check_weights, check_width, settled_stride
from delg.settings.kinds import BACKBONES


@dataclasses.dataclass(frozen=True)
class Colours:
    """What the pixels of a backbone become before its first convolution, as its ImageNet weights expect.

    Attributes:
        mean: 3 numbers, 0..255, in RGB order, subtracted first.
        deviation: 3 numbers, 0..255, in RGB order, divided by next.
        reverse_channels: the channels are put in BGR order at the end.
    """

    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]
    reverse_channels: bool = False


@dataclasses.dataclass(frozen=True)
class Maps:
    """Which layers of a backbone give feature maps, and where a cell of the local map looks.

    Attributes:
        local: layer of the local map.
        deep: layer of the global map, of stride 32, or the layer of the local map once more.
        receptive_field: size and padding of a cell of the local map, pixels; tests measure them.
        stem: layer of a signed map of stride 16, that encoders of a VAE may begin with; empty: none.
        class_token: layer of a vector that describes the whole image, [B, C], signed; empty: none.
        stride: pixels from one cell of the local map to the next.
        signed: whether cells may be negative, in both maps, and what is negative says something.
    """

    local: str
    deep: str
    receptive_field: tuple[int, int]
    stem: str = ""
    class_token: str = ""
    stride: int = 16
    signed: bool = False


@dataclasses.dataclass(frozen=True)
class Backbone:
    """A network that images are described by.

    Attributes:
        build: from width, side of the images in pixels (None: any) and class of BatchNorm to the network,
            with random weights, without classifier, named as the backbone. A network of one width, of images
            of any size or without BatchNorm passes over what does not concern it.
        maps: its feature maps; None: it gives one vector per image, of images of one size.
        colours: what images become first; None: the network does that itself, from 0..255.
        side_multiple: sides of images become multiples of this many pixels, by zeros below and to the right.
        has_any_width: whether `width` may be other than 1.
        published: by where ImageNet weights come from, `build` of width 1 with them: imagenet (fetched by
            Keras), package (in a package of its own).
        load_weights: sets the weights from a file in the formats of this backbone alone; None: from files as
            `keras_files.load_backbone_weights` reads them, and as the next two do.
        read_safetensors: arrays by layer from a safetensors file, given path and network; None: cannot.
        unfold_batch_norm: arrays by layer from those of a Keras file whose BatchNorm is folded into biased
            convolutions, by layer too, given these and the network; None: cannot.
        weight_file: what `backbone_weights` takes, for messages.
    """

    build: Callable[[float, int | None, type], keras.Model]
    maps: Maps | None = None
    colours: Colours | None = None
    side_multiple: int = 1
    has_any_width: bool = False
    published: Mapping[str, Callable[[type], keras.Model]] = dataclasses.field(default_factory=dict)
    load_weights: Callable[[keras.Model, str], None] | None = None
    read_safetensors: Callable[[str, keras.Model], dict[str, list[np.ndarray]]] | None = None
    unfold_batch_norm: Callable[[dict, keras.Model], dict[str, list[np.ndarray]]] | None = None
    weight_file: str = "a weight file"

    @property
    def has_top(self) -> bool:
        """Whether layers lie between the local map and the global one; in Vision Transformers none do."""
        return self.maps is not None and self.maps.deep != self.maps.local


def stacked_field(layers: Iterable[tuple[int, int, int]]) -> tuple[int, int]:
    """Receptive field, size and padding in pixels, of a cell after some layers.

    Source: https://distill.pub/2019/computing-receptive-fields, equations 2 and 4.

    Args:
        layers: kernel, stride and padding before the first cell of each, in its cells, the first layer first.
    """
    size, padding, stride = 1, 0, 1
    for kernel, step, before in layers:
        size += (kernel - 1) * stride
        padding += before * stride
        stride *= step
    return size, padding


def receptive_field(name: str, local_stride: int = 0) -> tuple[int, int, int]:
    """Where a cell of the local map looks.

    Cell (i, j) sees rows stride * i - padding to stride * i - padding + size - 1, and columns likewise,
    whatever the size of the image; its centre is at row stride * i - padding + (size - 1) / 2, where whole
    numbers are pixel centres. For the residual networks that is stride * i; mobilenet_v2 pads at the end of
    each side only, which puts the centre at stride * i + 15. A token of a Vision Transformer sees the whole
    image; its field here is its patch, which it describes first of all.

    Args:
        name: backbone with maps.
        local_stride: as of `build_backbone`.

    Returns:
        size, stride, padding; pixels.
    """
    size, padding = BACKBONES[name].maps.receptive_field
    return size, settled_stride(name, local_stride), padding


def build_backbone(name: str, width: float = 1.0, weights: str = "imagenet", local_stride: int = 0,
                   synchronized: bool = False, image_size: int | None = None) -> keras.Model:
    """Backbone from images to maps, or to a vector per image; preprocessing is its first layer.

    Args:
        name: of BACKBONES.
        width: channel factor; 1 for most backbones.
        weights: "imagenet" (keras.applications downloads them), "package" (a package brings them), "none",
            or a weight file, see `keras_files.load_backbone_weights` and the modules of the backbones.
        local_stride: pixels between cells of the local map: 0, the backbone's own, which is 16, or 14 where
            patches are of 14; or twice that, which keeps every second cell (the global map is the same).
        synchronized: BatchNorm shares its batch statistics between replicas.
        image_size: side of the images, pixels, for backbones without maps; the others take any.

    Returns:
        Model `backbone` from RGB images [B, H, W, 3], 0..255, uint8 or float, to a dict of maps that are not
        negative unless `Maps.signed`: `local` [B, H/stride, W/stride, c] and `global` [B, H/32, W/32, C],
        sides rounded up (mobilenet_v2: odd sides of inner maps are rounded down; Vision Transformers: both of
        stride 14, sides rounded down), and where `Maps.class_token` names it, `class_token` [B, C]. Of a
        backbone without maps to [B, D].

    Raises:
        ValueError: unknown name, a width that the backbone does not have, or weights that do not fit.
        FileNotFoundError: `weights` names no file.
    """
    network = build_network(name, width, weights, synchronized, image_size)
    record = BACKBONES[name]
    if record.maps is None:
        return keras.Model(network.input, network.output, name="backbone")
    layers = {"local": record.maps.local, "global": record.maps.deep, "class_token": record.maps.class_token}
    outputs = {name: network.get_layer(layer).output for name, layer in layers.items() if layer}
    if settled_stride(name, local_stride) > record.maps.stride:
        outputs["local"] = Subsampling(2, name="local_subsampling")(outputs["local"])
    taps = keras.Model(network.input, outputs, name=name)
    images = keras.Input((None, None, 3), name="images", dtype="float32")
    return keras.Model(images, taps(_preprocessed(record, images)), name="backbone")


def build_network(name: str, width: float = 1.0, weights: str = "imagenet", synchronized: bool = False,
                  image_size: int | None = None) -> keras.Model:
    """The network of a backbone, without preprocessing; arguments and errors as of `build_backbone`."""
    if name not in BACKBONES:
        raise ValueError(f"`backbone` must be one of {', '.join(BACKBONES)}. Received: backbone={name!r}.")
    check_width(width, name)
    record = BACKBONES[name]
    batch_norm = BatchNormalization if synchronized else keras.layers.BatchNormalization
    if weights in PUBLISHERS:
        check_weights(name, weights, "backbone_weights")
        return record.published[weights](batch_norm)
    network = record.build(width, image_size, batch_norm)
    if weights != "none":
        load_weights(network, name, weights)
    return network


def load_weights(network: keras.Model, name: str, path: str) -> None:
    """Sets the weights of the network of a backbone from a file; on any mismatch nothing is changed."""
    record = BACKBONES[name]
    if record.load_weights is not None:
        record.load_weights(network, path)
    else:
        keras_files.load_backbone_weights(network, path, record.read_safetensors, record.unfold_batch_norm)


def _preprocessed(record: Backbone, images):
    if record.colours is None:
        return images
    maps = ImageNormalization(*dataclasses.astuple(record.colours), name="normalization")(images)
    return PadToMultiple(record.side_multiple, name="padding")(maps) if record.side_multiple > 1 else maps


def freeze_batch_norm(backbone: keras.Model) -> None:
    """Fixes the BatchNorm layers of a backbone, which then run in inference mode."""
    for network in backbone.layers:
        for layer in getattr(network, "layers", ()):
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = False
