"""DINOv2: Vision Transformers trained without labels, which read the weights in safetensors files.

Source: https://arxiv.org/abs/2304.07193; with registers https://arxiv.org/abs/2309.16588. Names of tensors as
in the files published for `Dinov2Model` and `Dinov2WithRegistersModel` of the library transformers.
"""

from __future__ import annotations

import functools

import keras
import numpy as np

from delg.networks.backbone import Backbone, Colours, Maps
from delg.networks.layers import PadToSide
from delg.networks.transformer_layers import (
    EPSILON,
    ClassToken,
    FirstToken,
    PatchMap,
    RegisterTokens,
    ResampledPositions,
    SlicedAttention,
    transformer_block,
)
from delg.networks.weights.safetensors_files import Tensor, read_layers

_PATCH = 14  # pixels
_GRID = 37  # side of the positions of the published weights, which were last trained at 518 pixels
_REGISTERS = 4


def build_dinov2(name: str, width: int, depth: int, num_heads: int, num_registers: int = 0,
                 grid: int = _GRID, patch_size: int = _PATCH) -> keras.Model:
    """A Vision Transformer of DINOv2, for images of any size.

    As the reference does, pixels beyond the last whole patch, below and to the right, are left out. Images of
    less than a patch, which the reference refuses, are filled up with zeros.

    Args:
        name: of the model.
        width: of a token.
        depth: blocks.
        num_heads: divide `width`.
        num_registers: tokens without a place; with them positions are resampled with antialias, as in the
            reference.
        grid: cells, side of the square that positions were learnt for.
        patch_size: pixels, side of a patch.

    Returns:
        Model from normalised images [B, H, W, 3] to a dict of what the last normalisation gives, also the
        names of its last layers: `patch_map` [B, H // 14, W // 14, width] and `class_descriptor` [B, width].
    """
    images = keras.Input((None, None, 3), name="normalised_images")
    filled = PadToSide(patch_size, name="pad_to_patch")(images)
    patches = keras.layers.Conv2D(width, patch_size, patch_size, name="embedding")(filled)
    tokens = keras.layers.Reshape((-1, width), name="tokens")(patches)
    tokens = ClassToken(name="class_token")(tokens)
    tokens = ResampledPositions(grid, antialias=num_registers > 0, name="position")([tokens, patches])
    if num_registers:
        tokens = RegisterTokens(num_registers, name="registers")(tokens)
    for number in range(depth):
        tokens = transformer_block(tokens, f"block{number}", num_heads, 4 * width, layer_scale=1.0,
                                   attention=SlicedAttention)
    tokens = keras.layers.LayerNormalization(epsilon=EPSILON, name="encoder_norm")(tokens)
    outputs = {"patch_map": PatchMap(name="patch_map")([tokens, patches]),
               "class_descriptor": FirstToken(name="class_descriptor")(tokens)}
    return keras.Model(images, outputs, name=name)


def tensors_of(layer: keras.layers.Layer) -> list[Tensor]:
    """Where the file has the weights of a layer of `build_dinov2`, in Keras's order."""
    simple = {
        "embedding": [Tensor("embeddings.patch_embeddings.projection.weight", (2, 3, 1, 0)),
                      Tensor("embeddings.patch_embeddings.projection.bias")],
        "class_token": [Tensor("embeddings.cls_token")], "registers": [Tensor("embeddings.register_tokens")],
        "position": [Tensor("embeddings.position_embeddings")],
        "encoder_norm": [Tensor("layernorm.weight"), Tensor("layernorm.bias")]}
    if layer.name in simple:
        return simple[layer.name]
    block, part = layer.name.split("_")
    prefix = f"encoder.layer.{block[len('block'):]}"
    if part == "attention":
        width = layer.weights[-1].shape[0]
        return [tensor for module in ("attention.query", "attention.key", "attention.value", "output.dense")
                for tensor in _dense(f"{prefix}.attention.{module}", width)]
    if part.startswith("dense"):
        return _dense(f"{prefix}.mlp.fc{part[-1]}")
    if part.startswith("scale"):
        return [Tensor(f"{prefix}.layer_scale{part[-1]}.lambda1")]
    return [Tensor(f"{prefix}.{part}.weight"), Tensor(f"{prefix}.{part}.bias")]


def _dense(name: str, width: int = 0) -> list[Tensor]:
    """Kernel and bias of a dense layer; with `width` one whose channels Keras has by heads."""
    return [Tensor(f"{name}.weight", (1, 0), (width, width) if width else None),
            Tensor(f"{name}.bias", (0,), (width,) if width else None)]


def read_dinov2_layers(path: str, model: keras.Model) -> dict[str, list[np.ndarray]]:
    """Arrays for each layer of `build_dinov2`; every tensor of the file but the mask token is used once.

    Args:
        path: safetensors file.
        model: from `build_dinov2`.

    Raises:
        ValueError: the file is not whole, lacks a tensor, has one too many, or a shape differs.
    """
    return read_layers(path, model, tensors_of, ignored=("embeddings.mask_token",))


def _record(name: str, width: int, depth: int, num_heads: int, num_registers: int = 0) -> Backbone:
    """The record of a size of DINOv2."""
    build = functools.partial(build_dinov2, name, width, depth, num_heads, num_registers)
    return Backbone(
        lambda _width, _image_size, _batch_norm: build(), read_safetensors=read_dinov2_layers,
        maps=Maps("patch_map", "patch_map", receptive_field=(_PATCH, 0), class_token="class_descriptor",
                  stride=_PATCH, signed=True),
        colours=Colours((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)), weight_file="a safetensors file")


DINOV2_VITS14 = _record("dinov2_vits14", 384, 12, 6)
DINOV2_VITB14 = _record("dinov2_vitb14", 768, 12, 12)
DINOV2_VITL14 = _record("dinov2_vitl14", 1024, 24, 16)
DINOV2_VITS14_REG = _record("dinov2_vits14_reg", 384, 12, 6, _REGISTERS)
DINOV2_VITB14_REG = _record("dinov2_vitb14_reg", 768, 12, 12, _REGISTERS)
DINOV2_VITL14_REG = _record("dinov2_vitl14_reg", 1024, 24, 16, _REGISTERS)
