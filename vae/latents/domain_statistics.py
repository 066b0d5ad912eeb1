"""What latents are compared less, and decorrelated by: measured over training images of either domain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import keras
import numpy as np
import tensorflow as tf

from vae.networks.config import DOMAINS
from vae.networks.layers import LatentPooling
from vae.networks.model import encode

_SHRINKAGE = 0.1  # of the mean variance, added to each; of 0.01 to 1 on a world that is not reported


def whitening_matrix(covariance: np.ndarray) -> np.ndarray:
    """The symmetric matrix that gives channels of this covariance about equal variances and no correlation.

    Directions of little variance are noise, hence a share of the mean variance is added to all; what is white
    stays as it is, but for a factor.
    Source: ZCA, Bell and Sejnowski, "The 'independent components' of natural scenes are edge filters", 1997.

    Args:
        covariance: float, [C, C].

    Returns:
        float32, [C, C].
    """
    variances, directions = np.linalg.eigh(np.asarray(covariance, np.float64))
    mean = variances.mean() + 1e-12
    return ((directions / np.sqrt(np.maximum(variances, 0.0) / mean + _SHRINKAGE)) @ directions.T).astype(
        np.float32)


class DomainStatistics:
    """Measures what the centring, and the whitening if there is one, of a VAE subtract and multiply by.

    Covariances are of the parts that descriptors are made of, each less its domain's mean.

    Args:
        vae: from `build_vae`, with `center_latent`.
        descriptor_grid: of its descriptors.
    """

    def __init__(self, vae: keras.Model, descriptor_grid: int):
        self._vae = vae
        self._pooling = LatentPooling(descriptor_grid)
        self._latents = tf.function(self._latents_of, reduce_retracing=True)

    def measure(self, batches: Iterable[Mapping[str, tf.Tensor]]) -> None:
        """Sets them to those of images.

        Args:
            batches: domain to uint8 [B, S, S, 3]; S is the size that the VAE is trained at.
        """
        near: dict[str, tf.Tensor] = {}  # a mean nearly: what is summed is small, and no digits are lost
        sums, products, counts = (dict.fromkeys(DOMAINS, 0.0) for _ in range(3))
        for batch in batches:
            for domain in DOMAINS:
                latents = self._latents(batch[domain], domain)
                near.setdefault(domain, tf.reduce_mean(latents, axis=0))
                latents -= near[domain]
                parts = self._pooling.parts(latents)
                sums[domain] = sums[domain] + tf.reduce_sum(latents, axis=0).numpy()
                products[domain] = products[domain] + tf.einsum("bijc,bijd->cd", parts, parts).numpy().astype(
                    np.float64)
                counts[domain] += batch[domain].shape[0]
        covariance = 0.0
        for domain in DOMAINS:
            mean = sums[domain] / counts[domain]
            self._vae.get_layer(f"{domain}_centring").moving_mean.assign(near[domain] + mean)
            parts = self._pooling.parts(mean[np.newaxis]).numpy().astype(np.float64)
            parts = parts.reshape(-1, parts.shape[-1])
            covariance = covariance + (products[domain] / counts[domain] - parts.T @ parts) / len(parts)
        if "latent_whitening" in {layer.name for layer in self._vae.layers}:
            self._vae.get_layer("latent_whitening").matrix.assign(
                whitening_matrix(covariance / len(DOMAINS)))

    def _latents_of(self, images, domain):
        images = tf.cast(images, tf.float32) / 255.0
        return tf.cast(encode(self._vae, images, domain, training=False)["latent"], tf.float32)
