"""Reading pretrained backbone weights, checked layer by layer before any of them is set."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

import h5py
import keras
import numpy as np

from data_prep.stage import hdf5_files
from delg.settings.kinds import BACKBONES


def load_backbone_weights(model: keras.Model, path: str, read_safetensors: Callable | None = None,
                          unfold_batch_norm: Callable | None = None) -> None:
    """Sets the weights of `model` from a file; on any mismatch nothing is changed.

    Four kinds of file are understood:
    - Keras `*.weights.h5` (also of Keras 3): layers are matched by class and order;
    - the older Keras format, such as the `notop` files of keras.applications: layers are matched by name;
    - for backbones that can, the first kind with each batch normalisation folded into a biased convolution.
      Stages that the file lacks keep their values;
    - for backbones that can, `*.safetensors`.

    Args:
        model: backbone without preprocessing.
        path: HDF5 or safetensors file.
        read_safetensors, unfold_batch_norm: of its `Backbone`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is of another format, has no layers, lacks a layer, or a shape differs.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError("`backbone_weights` must be imagenet, package, none or a file. "
                                f"No such file: {path}.")
    weighted = [layer for layer in model.layers if layer.weights]
    if path.endswith(".safetensors"):
        if read_safetensors is None:
            raise ValueError(f"Weight file {path} is a safetensors file, which only "
                             f"{_others('read_safetensors')} accepts. Received: backbone {model.name}.")
        set_checked(model, read_safetensors(path, model), path)
        return
    if not h5py.is_hdf5(path):
        raise ValueError(f"Weight file {path} must be in HDF5 format. Found another format.")
    with hdf5_files.reading(path, "a weight file of Keras (HDF5)") as file:
        layers, in_order = _find_layers(file, path)
        stored = match_by_order(model, layers) if in_order else layers
        if in_order and not any(name.startswith("batch_normalization") for name in layers):
            stored = _unfolded(layers, model, path, unfold_batch_norm)
            weighted = [layer for layer in weighted if layer.name in stored]
        set_checked(model, stored, path, weighted)


def set_checked(model: keras.Model, stored: dict[str, list[np.ndarray]] | dict[str, list[h5py.Dataset]],
                path: str, weighted: list[keras.layers.Layer] | None = None) -> None:
    """Sets the weights of a model from arrays by layer; on any mismatch nothing is read or changed.

    Args:
        model: backbone without preprocessing.
        stored: arrays by layer name, or datasets, to be read once all shapes fit.
        path: where they come from, for messages.
        weighted: layers to set; None: all that have weights.

    Raises:
        ValueError: a layer is missing, or a shape differs.
    """
    weighted = [layer for layer in model.layers if layer.weights] if weighted is None else weighted
    for layer in weighted:
        expected = [tuple(weight.shape) for weight in layer.weights]
        if layer.name not in stored:
            raise ValueError(f"Weight file {path} lacks layer {layer.name!r} of {model.name}. "
                             f"Expected shapes: {expected}. Found: {len(stored)} layers.")
        found = [value.shape for value in stored[layer.name]]
        if expected != found:
            raise ValueError(f"Weight file {path} does not fit layer {layer.name!r} of {model.name}. "
                             f"Expected shapes: {expected}. Found: {found}.")
    read = [[np.asarray(value[()], np.float32) for value in stored[layer.name]] for layer in weighted]
    for layer, values in zip(weighted, read):
        layer.set_weights(values)


def _others(reader: str) -> str:
    """Names of the backbones that have a reader."""
    return ", ".join(BACKBONES.where(lambda backbone: getattr(backbone, reader) is not None))


def _find_layers(file: h5py.File, path: str) -> tuple[dict[str, list[h5py.Dataset]], bool]:
    """Datasets of each layer that has any, and whether layers are known by class and order only."""
    group = file.get("model_weights", file)
    layers = {}
    if "layer_names" in group.attrs:
        for name in map(_as_text, group.attrs["layer_names"]):
            names = [_as_text(weight) for weight in group[name].attrs["weight_names"]]
            if names:
                layers[name] = [group[name][weight] for weight in names]
    else:
        group = group.get("layers", group)
        for name, content in group.items():
            arrays = content["vars"] if isinstance(content, h5py.Group) and "vars" in content else {}
            if len(arrays):
                layers[name] = [arrays[str(i)] for i in range(len(arrays))]
    if not layers:
        raise ValueError(f"Weight file {path} must hold Keras layers. Found keys: {sorted(file)[:5]}.")
    return layers, "layer_names" not in group.attrs


def _as_text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name


def match_by_order(model: keras.Model, layers: dict[str, list[np.ndarray]]) -> dict[str, list[np.ndarray]]:
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


def _unfolded(layers, model, path, unfold_batch_norm):
    """Arrays by layer of `model` from a file that has biased convolutions only."""
    if unfold_batch_norm is None:
        raise ValueError(f"Weight file {path} has no batch normalisation, which only "
                         f"{_others('unfold_batch_norm')} accepts. Received: backbone {model.name}.")
    if any(len(arrays) != 2 for arrays in layers.values()):
        raise ValueError(f"Weight file {path} must hold a kernel and a bias per convolution. Found: "
                         f"{[[value.shape for value in arrays] for arrays in layers.values()][:3]}.")
    shapes = {tuple(weight.shape) for weight in model.weights}
    strange = [value.shape for arrays in layers.values() for value in arrays if value.shape not in shapes]
    if strange:
        raise ValueError(f"Weight file {path} does not fit {model.name}. Found a shape that no layer has: "
                         f"{strange[0]}.")
    read = {name: [value[()] for value in arrays] for name, arrays in layers.items()}
    return unfold_batch_norm(read, model)
