"""ResNet-18 weights from the safetensors files that PyTorch collections publish."""

from __future__ import annotations

import keras
import numpy as np
import safetensors
import safetensors.numpy

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
    try:
        tensors = safetensors.numpy.load_file(path)
    except (safetensors.SafetensorError, OSError) as error:
        raise ValueError(f"Weight file {path} must be in safetensors format. Received: {error}.") from error
    layers = {}
    for layer in model.layers:
        if not layer.weights:
            continue
        name, kind = _published_name(layer.name)
        wanted = ("weight",) if kind == "convolution" else _STATISTICS
        missing = [f"{name}.{part}" for part in wanted if f"{name}.{part}" not in tensors]
        if missing:
            raise ValueError(f"Weight file {path} lacks the tensor {missing[0]} of a ResNet-18. "
                             f"Found: {len(tensors)} tensors, such as {min(tensors, default='none')}.")
        arrays = [tensors[f"{name}.{part}"].astype(np.float32) for part in wanted]
        layers[layer.name] = [arrays[0].transpose(2, 3, 1, 0)] if kind == "convolution" else arrays
    return layers


def _published_name(name: str) -> tuple[str, str]:
    """`layer2_0_conv1_bn` to (`layer2.0.bn1`, normalisation); `conv1` to itself."""
    kind = "normalisation" if name.endswith("_bn") else "convolution"
    stem = name[:-len("_bn")] if kind == "normalisation" else name
    if stem.endswith("_downsample_0"):
        stem = stem.replace("_downsample_0", ".downsample.1" if kind == "normalisation" else ".downsample.0")
    elif kind == "normalisation":
        stem = stem.replace("conv", "bn")
    return stem.replace("_", "."), kind
