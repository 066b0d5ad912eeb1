"""Vision Transformers that read the weights Google published as .npz files.

Source: https://arxiv.org/abs/2010.11929; names of the arrays as in the published files.
"""

from __future__ import annotations

import os

import keras
import numpy as np
import scipy.ndimage

from data_prep.stage.numpy_files import NpzFile, reading_npz
from delg.networks.backbone import Backbone
from delg.networks.transformer_layers import EPSILON, ClassToken, PositionEmbedding, transformer_block

_MAX_TOKENS = 2**16  # of position embeddings in a file; published ones have 577 at most


def build_vit(patch_size: int, image_size: int, width: int = 768, depth: int = 12, num_heads: int = 12,
              mlp_dim: int = 3072, dropout: float = 0.1) -> keras.Model:
    """A Vision Transformer without its classifier; defaults are those of ViT-B.

    Args:
        patch_size: pixels, side of a patch.
        image_size: pixels, side of the images; a multiple of `patch_size`.
        width: of a token.
        depth: blocks.
        num_heads: divide `width`.
        mlp_dim: hidden units of a block.
        dropout: in training, share of values dropped after each sub-layer.

    Returns:
        Model `vit` from RGB images [B, image_size, image_size, 3], 0..255, to the class token [B, width].

    Raises:
        ValueError: if `patch_size` does not divide `image_size`.
    """
    if image_size % patch_size:
        raise ValueError("`image_size` must be a multiple of the patch size. "
                         f"Received: image_size={image_size}, patch size {patch_size}.")
    images = keras.Input((image_size, image_size, 3), name="images", dtype="float32")
    scaled = keras.layers.Rescaling(1 / 127.5, -1.0, name="normalization")(images)  # as these models expect
    tokens = keras.layers.Conv2D(width, patch_size, patch_size, name="embedding")(scaled)
    tokens = keras.layers.Reshape((-1, width))(tokens)
    tokens = PositionEmbedding(name="position")(ClassToken(name="class_token")(tokens))
    tokens = keras.layers.Dropout(dropout)(tokens)
    for number in range(depth):
        tokens = transformer_block(tokens, f"encoderblock_{number}", num_heads, mlp_dim, dropout)
    tokens = keras.layers.LayerNormalization(epsilon=EPSILON, name="encoder_norm")(tokens)
    return keras.Model(images, tokens[:, 0], name="vit")


def load_vit_weights(model: keras.Model, path: str) -> None:
    """Sets the weights of `build_vit` from a published .npz file; on any mismatch nothing is changed.

    Position embeddings of another image size are interpolated bilinearly over the grid of patches, the one
    of the class token is kept. The classifier of the file is left aside.

    Args:
        model: from `build_vit`.
        path: such as `imagenet21k+imagenet2012/ViT-B_32.npz`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not .npz, lacks an array, or a shape differs.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f"`backbone_weights` must be none or a file. No such file: {path}.")
    values = []
    with reading_npz(path, "a weight file (.npz)") as file:
        for layer in model.layers:
            for weight, name in zip(layer.weights, _published_names(layer)):
                if name not in file.names:
                    raise ValueError(f"Weight file {path} lacks the array {name} of a Vision Transformer. "
                                     f"Found: {len(file.names)} arrays, such as "
                                     f"{min(file.names, default='none')}.")
                values.append((weight, _read_weight(file, name, tuple(weight.shape), path)))
    for weight, value in values:
        weight.assign(value)


def _read_weight(file: NpzFile, name: str, shape: tuple[int, ...], path: str) -> np.ndarray:
    """An array of this shape; position embeddings may be of another grid, and are resized."""
    found = file.shape(name)
    is_grid = name.endswith("pos_embedding") and len(found) == 3 and found[1] <= _MAX_TOKENS
    if found != shape and not (is_grid and (found[0], found[2]) == (shape[0], shape[2])):
        raise ValueError(f"{name} in {path} must have shape {shape}. Received: {found}.")
    value = _resized_positions(file.read(name), shape[1]) if is_grid else file.read(name)
    if value.shape != shape or value.dtype.kind != "f":
        raise ValueError(f"{name} in {path} must have shape {shape}. Received: {value.dtype} {value.shape}.")
    return value


def _published_names(layer: keras.layers.Layer) -> list[str]:
    """Names in the file of a layer's weights, in their order."""
    simple = {"embedding": ["embedding/kernel", "embedding/bias"], "class_token": ["cls"],
              "position": ["Transformer/posembed_input/pos_embedding"],
              "encoder_norm": ["Transformer/encoder_norm/scale", "Transformer/encoder_norm/bias"]}
    if layer.name in simple or not layer.weights:
        return simple.get(layer.name, [])
    block, part = layer.name.rsplit("_", 1)
    if part == "attention":
        return [f"Transformer/{block}/MultiHeadDotProductAttention_1/{module}/{kind}"
                for module in ("query", "key", "value", "out") for kind in ("kernel", "bias")]
    module, kinds = {"norm1": ("LayerNorm_0", ("scale", "bias")), "norm2": ("LayerNorm_2", ("scale", "bias")),
                     "dense1": ("MlpBlock_3/Dense_0", ("kernel", "bias")),
                     "dense2": ("MlpBlock_3/Dense_1", ("kernel", "bias"))}[part]
    return [f"Transformer/{block}/{module}/{kind}" for kind in kinds]


def _resized_positions(embedding: np.ndarray, num_tokens: int) -> np.ndarray:
    """Position embeddings [1, 1 + g * g, width] on another grid; as they are where the grid is the same."""
    old, new = round((embedding.shape[1] - 1) ** 0.5), round((num_tokens - 1) ** 0.5)
    if old == new or embedding.shape[1] != 1 + old * old:
        return embedding
    grid = embedding[0, 1:].reshape(old, old, -1)
    grid = scipy.ndimage.zoom(grid, (new / old, new / old, 1), order=1)  # from corner to corner
    return np.concatenate([embedding[:, :1], grid.reshape(1, new * new, -1)], axis=1).astype(np.float32)


def _base(patch_size: int) -> Backbone:
    """ViT-B for patches of that many pixels."""
    return Backbone(lambda _width, image_size, _batch_norm: build_vit(patch_size, image_size),
                    load_weights=load_vit_weights, weight_file="an .npz file")


VIT_B32 = _base(32)
VIT_B16 = _base(16)
