"""A model for inference without the BatchNorm layers that follow a convolution.

At inference such a layer multiplies and shifts each channel by constants, which the convolution can do
itself: a pass over every map of the network less, and in bfloat16 a rounding less.
"""

from __future__ import annotations

import keras
import numpy as np


def fold_batch_norm(model: keras.Model) -> keras.Model:
    """A copy of a model with each BatchNorm folded into the convolution whose only reader it is.

    Convolutions with an activation of their own, or that are outputs of the model, keep their BatchNorm. In
    a folded layer's place stands an identity of its name.

    Args:
        model: functional model, models within it included.

    Returns:
        Model of the same inputs and outputs at inference, up to rounding; not to be trained.
    """
    names = {layer.name: batch_norm for layer, batch_norm in _foldable(model)}
    removed = {batch_norm.name for batch_norm in names.values()}

    def clone(layer):
        if isinstance(layer, keras.Model):
            return keras.models.clone_model(layer, clone_function=clone)
        if layer.name in removed:
            return keras.layers.Activation("linear", name=layer.name, dtype=layer.dtype_policy)
        settings = layer.get_config()
        return type(layer).from_config({**settings, "use_bias": True} if layer.name in names else settings)

    copy = keras.models.clone_model(model, clone_function=clone)
    _copy_weights(model, copy, names, removed)
    return copy


def _foldable(model: keras.Model) -> list[tuple[keras.layers.Layer, keras.layers.BatchNormalization]]:
    """Pairs of a convolution and the BatchNorm to fold into it."""
    pairs = []
    outputs = {id(tensor) for tensor in model.outputs}
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            pairs += _foldable(layer)
        elif (type(layer) in (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)  # not their subclasses
              and layer.activation is keras.activations.linear and id(layer.output) not in outputs):
            readers = {id(node.outbound_layer): node.outbound_layer for node in layer.outbound_nodes}
            reader = next(iter(readers.values()), None)
            if (len(readers) == 1 and isinstance(reader, keras.layers.BatchNormalization)
                    and len(reader.inbound_nodes) == 1):
                pairs.append((layer, reader))
    return pairs


def _copy_weights(model: keras.Model, copy: keras.Model, names: dict[str, keras.layers.BatchNormalization],
                  removed: set[str]) -> None:
    for layer in model.layers:
        target = copy.get_layer(layer.name)
        if isinstance(layer, keras.Model):
            _copy_weights(layer, target, names, removed)
        elif layer.name in names:
            target.set_weights(_folded_weights(layer, names[layer.name]))
        elif layer.name not in removed:
            target.set_weights(layer.get_weights())


def _folded_weights(layer: keras.layers.Layer,
                    batch_norm: keras.layers.BatchNormalization) -> list[np.ndarray]:
    """Kernel and bias that do what the convolution and its BatchNorm do one after the other."""
    kernel, *bias = layer.get_weights()
    deviation = np.sqrt(batch_norm.moving_variance.numpy() + batch_norm.epsilon)
    factor = (batch_norm.gamma.numpy() if batch_norm.scale else 1.0) / deviation
    shift = batch_norm.beta.numpy() if batch_norm.center else 0.0
    bias = (bias[0] if bias else 0.0) - batch_norm.moving_mean.numpy()
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)  # [h, w, channels, multiplier]
    return [kernel * (factor.reshape(kernel.shape[2:]) if depthwise else factor), bias * factor + shift]
