"""Principal components as a start for the whitening layer and the autoencoder.

With few training images the heads then start where the pretrained backbone stands, instead of at random.
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf


def principal_components(vectors: np.ndarray,
                         num_components: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, directions of largest variance and the variances along them.

    Args:
        vectors: [n, c], n at least 2.
        num_components: k, at most c.

    Returns:
        float64 mean [c]; orthonormal columns [c, k], largest variance first, each with its largest entry
        positive; variances [k].

    Raises:
        ValueError: k is above c, or n is below 2.
    """
    vectors = np.asarray(vectors, np.float64)
    if len(vectors) < 2 or num_components > vectors.shape[1]:
        raise ValueError("Principal components need at least 2 vectors and at most as many components as "
                         f"channels. Received: {vectors.shape[0]} vectors of {vectors.shape[1]} channels, "
                         f"{num_components} components.")
    mean = vectors.mean(axis=0)
    covariance = np.cov(vectors, rowvar=False).reshape(vectors.shape[1], -1)
    variances, directions = np.linalg.eigh(covariance)
    directions = directions[:, ::-1][:, :num_components]
    largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=0)[None], axis=0)
    return mean, directions * np.sign(largest), np.maximum(variances[::-1][:num_components], 0.0)


def whitening_weights(vectors: np.ndarray, num_components: int, exponent: float = 0.5,
                      shrinkage: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Kernel and bias of a dense layer that centres, rotates to principal components and divides each of them
    by its deviation to a power.

    Few vectors say little of directions of small variance, so variances are drawn towards their mean first.

    Args:
        vectors: [n, c].
        num_components: k.
        exponent: 0 only rotates, 1 makes all deviations equal.
        shrinkage: 0 takes the variances as they are, 1 takes their mean for all; None: c / (c + n), chosen.

    Returns:
        float32 kernel [c, k], scaled so that the output varies as much as the k components do, and bias [k].
    """
    mean, directions, variances = principal_components(vectors, num_components)
    if shrinkage is None:
        shrinkage = vectors.shape[1] / (vectors.shape[1] + len(vectors))
    shrunk = (1 - shrinkage) * variances + shrinkage * variances.mean()
    divisors = np.maximum(shrunk, 1e-12) ** (exponent / 2)
    scale = np.sqrt(variances.sum() / max(np.sum(variances / divisors**2), 1e-24))
    kernel = directions / divisors * scale
    return kernel.astype(np.float32), (-mean @ kernel).astype(np.float32)


def initialise_whitening(model: keras.Model, dataset: tf.data.Dataset, num_images: int = 2000,
                         exponent: float = 0.5) -> None:
    """Sets the layer `whitening` of a DELG model from the GeM-pooled features of images.

    Args:
        model: from `build_delg`.
        dataset: batches of images, or of (images, labels).
        num_images: how many of its images to look at.
        exponent: see `whitening_weights`.

    Raises:
        ValueError: `embedding_dim` is above the channels of the global map.
    """
    layer = model.get_layer("whitening")
    if layer.units > layer.kernel.shape[0]:
        raise ValueError("`whitening_init=pca` needs `embedding_dim` of at most the channels of the global "
                         f"map. Received: embedding_dim={layer.units}, {layer.kernel.shape[0]} channels.")
    pooled = _outputs(keras.Model(model.input, layer.input), dataset, num_images)
    kernel, bias = whitening_weights(pooled, layer.units, exponent)
    layer.kernel.assign(kernel)
    layer.bias.assign(bias)


def initialise_identity(model: keras.Model) -> None:
    """Sets the layer `whitening` of a DELG model so that it passes the pooled features through.

    Raises:
        ValueError: `embedding_dim` is not the number of channels of the global map.
    """
    layer = model.get_layer("whitening")
    if layer.units != layer.kernel.shape[0]:
        raise ValueError("`whitening_init=identity` needs `embedding_dim` equal to the channels of the "
                         f"global map. Received: embedding_dim={layer.units}, {layer.kernel.shape[0]} "
                         "channels.")
    layer.kernel.assign(np.eye(layer.units, dtype=np.float32))
    layer.bias.assign(np.zeros(layer.units, np.float32))


def initialise_autoencoder(model: keras.Model, dataset: tf.data.Dataset, num_images: int = 2000,
                           cells_per_image: int = 32, seed: int = 0, exponent: float = 0.5) -> None:
    """Sets the layers `encoder` and `decoder` of a DELG model to the projection on principal components of
    the local map's cells and back: the best linear autoencoder, with the components made more equal.

    Args:
        model: from `build_delg`, with autoencoder.
        dataset: batches of images, or of (images, labels).
        num_images: how many of its images to look at.
        cells_per_image: cells drawn from each of them.
        seed: of the draw.
        exponent: the encoder divides each component by its deviation to this power, which keeps a few
            strong components from deciding which descriptors match; the decoder multiplies it back.

    Raises:
        ValueError: `autoencoder_dim` is above the channels of the local map.
    """
    encoder, decoder = model.get_layer("encoder"), model.get_layer("decoder")
    channels = encoder.kernel.shape[2]
    if encoder.filters > channels:
        raise ValueError("`autoencoder_init=pca` needs `autoencoder_dim` of at most the channels of the "
                         f"local map. Received: autoencoder_dim={encoder.filters}, {channels} channels.")
    cells = _outputs(keras.Model(model.input, encoder.input), dataset, num_images, cells_per_image, seed)
    mean, directions, variances = principal_components(cells, encoder.filters)
    divisors = np.maximum(variances / max(variances[0], 1e-12), 1e-12) ** (exponent / 2)
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
