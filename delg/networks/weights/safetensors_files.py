"""Pretrained weights from the safetensors files that PyTorch collections publish."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterator

import keras
import numpy as np
import safetensors

_STATISTICS = ("weight", "bias", "running_mean", "running_var")  # gamma, beta, mean, variance of Keras
_CONVOLUTION = (2, 3, 1, 0)  # [out, in, h, w] to [h, w, in, out]


@dataclasses.dataclass(frozen=True)
class Tensor:
    """A tensor of a file, and how it becomes a weight of Keras.

    Attributes:
        name: in the file.
        axes: of the tensor, in Keras's order; empty: as they are.
        shape: after that, where Keras has the same numbers in another shape; None: that of Keras.
    """

    name: str
    axes: tuple[int, ...] = ()
    shape: tuple[int, ...] | None = None


def read_layers(path: str, model: keras.Model, tensors_of: Callable[[keras.layers.Layer], list[Tensor]],
                ignored: Collection[str] | None = None) -> dict[str, list[np.ndarray]]:
    """Arrays for each layer of a model that has weights, in Keras's order and axes.

    Args:
        path: safetensors file.
        model: whose layers are looked up.
        tensors_of: from a layer to what of the file its weights are, in Keras's order.
        ignored: what else the file may hold; None: anything.

    Raises:
        ValueError: the file is not whole, lacks a tensor, holds one too many, or a shape differs.
    """
    layers, used = {}, set(ignored or ())
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            names = set(file.keys())
            wanted = {layer: tensors_of(layer) for layer in model.layers if layer.weights}
            used.update(tensor.name for tensors in wanted.values() for tensor in tensors)
            missing = [tensor.name for tensors in wanted.values() for tensor in tensors
                       if tensor.name not in names]
            if missing:
                raise ValueError(f"Weight file {path} lacks the tensor {missing[0]} of {model.name}. "
                                 f"Found: {len(names)} tensors, such as {min(names, default='none')}.")
            if ignored is not None and names - used:
                raise ValueError(f"Weight file {path} must be of {model.name}, which has no place for the "
                                 f"tensor {min(names - used)}. Found: {len(names - used)} such.")
            for layer, tensors in wanted.items():
                unfit = f"{path} does not fit layer {layer.name!r} of {model.name}"
                layers[layer.name] = list(_read_layer(file, tensors, layer, unfit))
    except (safetensors.SafetensorError, OSError, TypeError, AttributeError) as error:
        raise ValueError(f"Weight file {path} must be in safetensors format. Received: {error}.") from error
    return layers


def _read_layer(file, tensors: list[Tensor], layer: keras.layers.Layer, unfit: str) -> Iterator[np.ndarray]:
    """The arrays of a layer, in Keras's axes; none is read whose shape is another."""
    shapes = [tuple(weight.shape) for weight in layer.weights]
    expected = [tensor.shape or shape for tensor, shape in zip(tensors, shapes)]
    stored = [tuple(file.get_slice(tensor.name).get_shape()) for tensor in tensors]
    found = [tuple(shape[axis] for axis in tensor.axes) if len(shape) == len(tensor.axes) else shape
             for shape, tensor in zip(stored, tensors)]
    if found != expected:
        raise ValueError(f"Weight file {unfit}. Expected shapes: {expected}. Found: {found}.")
    for tensor, shape in zip(tensors, shapes):
        array = file.get_tensor(tensor.name).astype(np.float32)
        yield (array.transpose(tensor.axes) if tensor.axes else array).reshape(shape)


def read_resnet18_layers(path: str, model: keras.Model) -> dict[str, list[np.ndarray]]:
    """Arrays for each layer of `build_resnet18`; arguments and errors as of `read_layers`.

    Tensors are named as torchvision and timm name them: `conv1.weight` [out, in, h, w], `bn1.running_mean`,
    `layer2.0.conv1.weight`, `layer2.0.downsample.1.bias`; what else the file holds is left aside.
    """
    return read_layers(path, model, _tensors_of_resnet18)


def _tensors_of_resnet18(layer: keras.layers.Layer) -> list[Tensor]:
    """`layer2_0_conv1_bn` to `layer2.0.bn1.weight` and so on; `conv1` to `conv1.weight`."""
    is_normalisation = layer.name.endswith("_bn")
    stem = layer.name[:-len("_bn")] if is_normalisation else layer.name
    if stem.endswith("_downsample_0"):
        stem = stem.replace("_downsample_0", ".downsample.1" if is_normalisation else ".downsample.0")
    elif is_normalisation:
        stem = stem.replace("conv", "bn")
    name = stem.replace("_", ".")
    if is_normalisation:
        return [Tensor(f"{name}.{part}") for part in _STATISTICS]
    return [Tensor(f"{name}.weight", _CONVOLUTION)]
