"""Starts of the whitening layer and the autoencoder: principal components, an identity, or near to one.

With few training images the heads then start where the pretrained backbone stands, instead of at random.
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from delg.settings.training import TrainConfig
from delg.vectors.principal_components import principal_components, whitening_weights
from delg.vectors.within_class import within_class_whitening

_CELLS_PER_IMAGE = 32  # drawn for the start of the autoencoder; chosen


def initialise_whitening(model: keras.Model, dataset: tf.data.Dataset, config: TrainConfig) -> None:
    """Sets the layer `whitening` of a DELG model from the GeM-pooled features of images.

    Args:
        model: from `build_delg`.
        dataset: batches of images, or of (images, labels).
        config: `num_init_images`, and as `whitening_exponent` the exponent of `whitening_weights`.

    Raises:
        ValueError: `embedding_dim` is above the channels of the global map.
    """
    layer = model.get_layer("whitening")
    if layer.units > layer.kernel.shape[0]:
        raise ValueError("`whitening_init=pca` needs `embedding_dim` of at most the channels of the global "
                         f"map. Received: embedding_dim={layer.units}, {layer.kernel.shape[0]} channels.")
    pooled = _outputs(keras.Model(model.input, layer.input), dataset, config.num_init_images)
    kernel, bias = whitening_weights(pooled, layer.units, config.whitening_exponent)
    layer.kernel.assign(kernel)
    layer.bias.assign(bias)


def initialise_identity(model: keras.Model, _dataset: tf.data.Dataset, _config: TrainConfig) -> None:
    """Sets the layer `whitening` of a DELG model so that it passes the pooled features through.

    Raises:
        ValueError: `embedding_dim` is not the number of channels of the global map.
    """
    layer = _square_whitening(model, "identity")
    layer.kernel.assign(np.eye(layer.units, dtype=np.float32))
    layer.bias.assign(np.zeros(layer.units, np.float32))


def initialise_within_class(model: keras.Model, dataset: tf.data.Dataset, config: TrainConfig) -> None:
    """Sets the layer `whitening` of a DELG model so that images of a landmark differ alike in all directions.

    Args:
        model: from `build_delg`.
        dataset: batches of (images, labels), random parts of images; whole ones gain less.
        config: `num_init_images`, and as `whitening_shrinkage` the shrinkage of `within_class_whitening`.

    Raises:
        ValueError: `embedding_dim` is not the number of channels of the global map, or no landmark has two
            images that differ.
    """
    layer = _square_whitening(model, "within_class")
    labels: list[int] = []

    def images():
        for batch, batch_labels in dataset:
            labels.extend(batch_labels.numpy())
            yield batch

    pooled = _outputs(keras.Model(model.input, layer.input), images(), config.num_init_images)
    layer.kernel.assign(within_class_whitening(
        pooled, np.array(labels[:len(pooled)]), config.whitening_shrinkage))
    layer.bias.assign(np.zeros(layer.units, np.float32))


def _square_whitening(model: keras.Model, name: str) -> keras.layers.Layer:
    """The layer `whitening`, checked to have as many outputs as inputs."""
    layer = model.get_layer("whitening")
    if layer.units != layer.kernel.shape[0]:
        raise ValueError(f"`whitening_init={name}` needs `embedding_dim` equal to the channels of the "
                         f"global map. Received: embedding_dim={layer.units}, {layer.kernel.shape[0]} "
                         "channels.")
    return layer


def initialise_autoencoder(model: keras.Model, dataset: tf.data.Dataset, config: TrainConfig) -> None:
    """Sets the layers `encoder` and `decoder` of a DELG model to the projection on principal components of
    the local map's cells and back: the best linear autoencoder, with the components made more equal.

    Args:
        model: from `build_delg`, with autoencoder.
        dataset: batches of images, or of (images, labels).
        config: `num_init_images`, `seed` of the draw of cells, and `autoencoder_exponent`: the encoder
            divides each component by its deviation to this power, which keeps a few strong components from
            deciding which descriptors match; the decoder multiplies it back.

    Raises:
        ValueError: `autoencoder_dim` is above the channels of the local map.
    """
    encoder, decoder = model.get_layer("encoder"), model.get_layer("decoder")
    channels = encoder.kernel.shape[2]
    if encoder.filters > channels:
        raise ValueError("`autoencoder_init=pca` needs `autoencoder_dim` of at most the channels of the "
                         f"local map. Received: autoencoder_dim={encoder.filters}, {channels} channels.")
    cells = _outputs(keras.Model(model.input, encoder.input), dataset, config.num_init_images,
                     _CELLS_PER_IMAGE, config.seed)
    mean, directions, variances = principal_components(cells, encoder.filters)
    divisors = np.maximum(variances / max(variances[0], 1e-12), 1e-12) ** (config.autoencoder_exponent / 2)
    encoder.kernel.assign((directions / divisors)[None, None].astype(np.float32))
    encoder.bias.assign((-mean @ directions / divisors).astype(np.float32))
    decoder.kernel.assign((directions * divisors).T[None, None].astype(np.float32))
    decoder.bias.assign(mean.astype(np.float32))


def _outputs(model, dataset, num_images, cells_per_image=None, seed=0):
    """Outputs of a model as rows, for the first images; of maps, a random draw of cells from each image."""
    generator = np.random.default_rng(seed)
    infer = tf.function(lambda images: tf.cast(model(images, training=False), tf.float32))
    rows, seen = [], 0
    for batch in dataset:
        images = batch[0] if isinstance(batch, (tuple, list)) else batch
        values = infer(images[: num_images - seen]).numpy()
        seen += len(values)
        if cells_per_image is not None:
            values = values.reshape(len(values), -1, values.shape[-1])
            cells = generator.integers(values.shape[1], size=(len(values), cells_per_image))
            values = np.take_along_axis(values, cells[..., None], axis=1).reshape(-1, values.shape[-1])
        rows.append(values)
        if seen >= num_images:
            break
    return np.concatenate(rows)
