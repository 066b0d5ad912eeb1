"""Reading pretrained backbone weights, checked layer by layer before any of them is set."""

from __future__ import annotations

import os
import re

import h5py
import keras
import numpy as np

from delg.networks.resnet18 import BATCH_NORM_EPSILON
from delg.networks.weights import safetensors_files


def load_backbone_weights(model: keras.Model, path: str) -> None:
    """Sets the weights of `model` from a file; on any mismatch nothing is changed.

    Four kinds of file are understood:
    - Keras `*.weights.h5` (also of Keras 3): layers are matched by class and order;
    - the older Keras format, such as the `notop` files of keras.applications: layers are matched by name;
    - for resnet18, the first kind with each batch normalisation folded into a biased convolution. Its bias
      becomes the offset of the normalisation (mean 0, variance 1), which in inference is the same function.
      In training it is not: freeze the batch normalisation. Stages that the file lacks keep their values;
    - for resnet18, `*.safetensors` as torchvision and timm publish it, see `safetensors_weights`.

    Args:
        model: backbone without preprocessing.
        path: HDF5 or safetensors file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is of another format, has no layers, lacks a layer, or a shape differs.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f"`backbone_weights` must be imagenet, none or a file. No such file: {path}.")
    if path.endswith(".safetensors"):
        layers, in_order = _read_safetensors(model, path), False
    else:
        layers, in_order = _read_layers(path)
    weighted = [layer for layer in model.layers if layer.weights]
    if in_order:
        stored = _match_by_order(model, layers)
        if not any(name.startswith("batch_normalization") for name in layers):
            weighted, stored = _unfold_batch_norm(model, layers, path)
    else:
        stored = layers
    for layer in weighted:
        expected = [tuple(weight.shape) for weight in layer.weights]
        if layer.name not in stored:
            raise ValueError(f"Weight file {path} lacks layer {layer.name!r} of {model.name}. "
                             f"Expected shapes: {expected}. Found: {len(layers)} layers.")
        found = [value.shape for value in stored[layer.name]]
        if expected != found:
            raise ValueError(f"Weight file {path} does not fit layer {layer.name!r} of {model.name}. "
                             f"Expected shapes: {expected}. Found: {found}.")
    for layer in weighted:
        layer.set_weights(stored[layer.name])


def _read_safetensors(model: keras.Model, path: str) -> dict[str, list[np.ndarray]]:
    if model.name != "resnet18":
        raise ValueError(f"Weight file {path} is a safetensors file, which only resnet18 accepts. "
                         f"Received: backbone {model.name}.")
    return safetensors_files.read_resnet18_layers(path, model)


def _read_layers(path: str) -> tuple[dict[str, list[np.ndarray]], bool]:
    """Arrays of each layer that has any, and whether layers are known by class and order only."""
    if not h5py.is_hdf5(path):
        raise ValueError(f"Weight file {path} must be in HDF5 format. Found another format.")
    with h5py.File(path, "r") as file:
        group = file.get("model_weights", file)
        layers = {}
        if "layer_names" in group.attrs:
            for name in map(_as_text, group.attrs["layer_names"]):
                names = [_as_text(weight) for weight in group[name].attrs["weight_names"]]
                if names:
                    layers[name] = [group[name][weight][()] for weight in names]
        else:
            group = group.get("layers", group)
            for name, content in group.items():
                arrays = content["vars"] if isinstance(content, h5py.Group) and "vars" in content else {}
                if len(arrays):
                    layers[name] = [arrays[str(i)][()] for i in range(len(arrays))]
        if not layers:
            raise ValueError(f"Weight file {path} must hold Keras layers. Found keys: {sorted(file)[:5]}.")
        return layers, "layer_names" not in group.attrs


def _as_text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name


def _match_by_order(model: keras.Model, layers: dict[str, list[np.ndarray]]) -> dict[str, list[np.ndarray]]:
    """Stored arrays by layer name of `model`; the n-th layer of a class is stored as `class_n`."""
    counts, stored = {}, {}
    for layer in model.layers:
        kind = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", type(layer).__name__)
        kind = re.sub("([a-z])([A-Z])", r"\1_\2", kind).lower()
        place = counts.get(kind, 0)
        counts[kind] = place + 1
        key = f"{kind}_{place}" if place else kind
        if key in layers:
            stored[layer.name] = layers[key]
    return stored


def _unfold_batch_norm(model, layers, path):
    """Layers and weights of a resnet18 from a file that has biased convolutions only."""
    order = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    if model.name != "resnet18":
        raise ValueError(f"Weight file {path} has no batch normalisation, which only resnet18 accepts. "
                         f"Received: backbone {model.name}.")
    if any(len(arrays) != 2 for arrays in layers.values()):
        raise ValueError(f"Weight file {path} must hold a kernel and a bias per convolution. Found: "
                         f"{[[value.shape for value in arrays] for arrays in layers.values()][:3]}.")
    kept, stored = [], {}
    by_order = _match_by_order(model, layers)
    for layer in order:
        if layer.name not in by_order:
            continue
        kernel, bias = by_order[layer.name]
        normalisation = model.get_layer(f"{layer.name}_bn")
        kept += [layer, normalisation]
        stored[layer.name] = [kernel]
        stored[normalisation.name] = [np.ones_like(bias), bias, np.zeros_like(bias),
                                      np.full_like(bias, 1.0 - BATCH_NORM_EPSILON)]
    return kept, stored
