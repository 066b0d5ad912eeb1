"""What latents are compared less, decorrelated and weighed by: measured over training images of either
domain, without pairs and labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import keras
import numpy as np
import tensorflow as tf

from delg.vectors.unit import unit_vectors
from vae.networks.config import DOMAINS
from vae.networks.layers import LatentPooling
from vae.networks.model import encode

_MOST_CORRELATION = 0.95  # so that no part weighs without bound; chosen
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


def part_weights(day: np.ndarray, night: np.ndarray) -> np.ndarray:
    """What each part of the image tells of the place, by images that find each other across the domains.

    Each image by day and each by night that are the nearest of each other are taken for one place, which most
    of them are. Where such images agree, with a correlation c of the features of a part, signal outweighs
    noise c / (1 - c) times: that is the weight.
    Source: mutual neighbours as pairs, as in self-labelling; the weights are ours, see
    docs/decisions/0096-vae-relit-contrast.md.

    Args:
        day, night: float [n, g, g, C], of means near 0 over each domain.

    Returns:
        float32 [g, g], at least 0, of mean 1.
    """
    similarities = _unit_rows(day) @ _unit_rows(night).T
    found, back = similarities.argmax(axis=1), similarities.argmax(axis=0)
    mutual = np.flatnonzero(back[found] == np.arange(len(day)))
    first, second = day[mutual].astype(np.float64), night[found[mutual]].astype(np.float64)
    powers = [np.square(values).sum(axis=(0, 3)) for values in (first, second)]
    correlations = (first * second).sum(axis=(0, 3)) / np.sqrt(powers[0] * powers[1] + 1e-12)
    correlations = np.clip(correlations, 0.0, _MOST_CORRELATION)
    weights = correlations / (1.0 - correlations)
    return (weights / weights.mean() if weights.any() else np.ones_like(weights)).astype(np.float32)


def _unit_rows(parts: np.ndarray) -> np.ndarray:
    return unit_vectors(parts.reshape(len(parts), -1))


class DomainStatistics:
    """Measures what the centring of a VAE subtracts, and what its whitening and its weighting of parts, if
    there are such, multiply by.

    Covariances and weights are of the parts that descriptors are made of, each less its domain's mean.

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
        kept: dict[str, list[np.ndarray]] = {domain: [] for domain in DOMAINS}
        layers = {layer.name for layer in self._vae.layers}
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
                if "part_weighting" in layers:
                    kept[domain].append(parts.numpy())
        covariance = 0.0
        for domain in DOMAINS:
            mean = sums[domain] / counts[domain]
            self._vae.get_layer(f"{domain}_centring").moving_mean.assign(near[domain] + mean)
            mean_parts = self._pooling.parts(mean[np.newaxis]).numpy()
            kept[domain] = [each - mean_parts for each in kept[domain]]
            parts = mean_parts.reshape(-1, mean_parts.shape[-1]).astype(np.float64)
            covariance = covariance + (products[domain] / counts[domain] - parts.T @ parts) / len(parts)
        matrix = np.eye(len(covariance), dtype=np.float32)
        if "latent_whitening" in layers:
            matrix = whitening_matrix(covariance / len(DOMAINS))
            self._vae.get_layer("latent_whitening").matrix.assign(matrix)
        if "part_weighting" in layers:
            self._vae.get_layer("part_weighting").part_weights.assign(
                part_weights(*(np.concatenate(kept[domain]) @ matrix for domain in DOMAINS)))

    def _latents_of(self, images, domain):
        images = tf.cast(images, tf.float32) / 255.0
        return tf.cast(encode(self._vae, images, domain, training=False)["latent"], tf.float32)
