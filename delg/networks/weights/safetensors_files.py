"""ResNet-18 weights from the safetensors files that PyTorch collections publish."""

from __future__ import annotations

import keras
import numpy as np
import safetensors

_STATISTICS = ("weight", "bias", "running_mean", "running_var")  # gamma, beta, mean, variance of Keras


def read_resnet18_layers(path: str, model: keras.Model) -> dict[str, list[np.ndarray]]:
    """Arrays for each layer of `build_resnet18`, in Keras's order and axes.

    Tensors are named as torchvision and timm name them: `conv1.weight` [out, in, h, w], `bn1.running_mean`,
    `layer2.0.conv1.weight`, `layer2.0.downsample.1.bias`; what else the file holds is left aside.

    Args:
        path: safetensors file.
        model: from `build_resnet18`; its layer names are looked up.

    Raises:
        ValueError: the file is not whole, or lacks a tensor.
    """
    layers = {}
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            names = set(file.keys())
            for layer in model.layers:
                if not layer.weights:
                    continue
                name, kind = _published_name(layer.name)
                parts = ("weight",) if kind == "convolution" else _STATISTICS
                wanted = [f"{name}.{part}" for part in parts]
                missing = [tensor for tensor in wanted if tensor not in names]
                if missing:
                    raise ValueError(f"Weight file {path} lacks the tensor {missing[0]} of a ResNet-18. "
                                     f"Found: {len(names)} tensors, such as {min(names, default='none')}.")
                unfit = f"{path} does not fit layer {layer.name!r} of {model.name}"
                layers[layer.name] = _read_layer(file, wanted, kind, layer, unfit)
    except (safetensors.SafetensorError, OSError, TypeError, AttributeError) as error:
        raise ValueError(f"Weight file {path} must be in safetensors format. Received: {error}.") from error
    return layers


def _read_layer(file, wanted: list[str], kind: str, layer, unfit: str) -> list[np.ndarray]:
    """The arrays of a layer, in Keras's axes; none is read whose shape is another."""
    axes = (2, 3, 1, 0) if kind == "convolution" else (0,)
    expected = [tuple(weight.shape) for weight in layer.weights]
    stored = [tuple(file.get_slice(name).get_shape()) for name in wanted]
    found = [tuple(shape[axis] for axis in axes) if len(shape) == len(axes) else shape for shape in stored]
    if found != expected:
        raise ValueError(f"Weight file {unfit}. Expected shapes: {expected}. Found: {found}.")
    return [file.get_tensor(name).astype(np.float32).transpose(axes) for name in wanted]


def _published_name(name: str) -> tuple[str, str]:
    """`layer2_0_conv1_bn` to (`layer2.0.bn1`, normalisation); `conv1` to itself."""
    kind = "normalisation" if name.endswith("_bn") else "convolution"
    stem = name[:-len("_bn")] if kind == "normalisation" else name
    if stem.endswith("_downsample_0"):
        stem = stem.replace("_downsample_0", ".downsample.1" if kind == "normalisation" else ".downsample.0")
    elif kind == "normalisation":
        stem = stem.replace("conv", "bn")
    return stem.replace("_", "."), kind
