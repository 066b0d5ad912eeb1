"""Features of photographs by a frozen encoder, in the form that channel weights work on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vae.data.photographs import Photographs, resized
from vae.latents.latents import LatentEncoder
from vae.networks.layers import LatentPooling

_BATCH_SIZE = 32


def layer_features(encoder: LatentEncoder, photographs: Photographs, layers: Sequence[str],
                   distance: str) -> dict[str, np.ndarray]:
    """Features of all photographs by layer, float16 [N, P, C].

    For "paper" P is every position of the map, and channels are z-scored; for "pooled" P is a part of the
    image on the grid of the model's descriptors, and the features of an image have unit norm.

    Args:
        encoder: whose shared layers are taken.
        photographs: each goes through the encoder of its domain.
        layers: names, of `encoder.layer_names`.
        distance: see `weighting.config.DISTANCES`.
    """
    images = resized(photographs.images, encoder.image_size)
    found: dict[str, np.ndarray] = {}
    for domain in ("day", "night"):
        rows = photographs.rows(domain)
        for start in range(0, len(rows), _BATCH_SIZE):
            batch = rows[start:start + _BATCH_SIZE]
            for name, maps in encoder.encode(images[batch], domain).items():
                if name not in layers:
                    continue
                features = z_scores(maps) if distance == "paper" else pooled(maps, encoder.descriptor_grid)
                store = found.setdefault(name, np.empty((len(photographs), *features.shape[1:]), np.float16))
                store[batch] = features
    return {name: found[name] for name in layers}


def z_scores(maps: np.ndarray) -> np.ndarray:
    """Maps [B, h, w, C] as [B, h * w, C], the channels at each position to mean 0 and deviation 1.

    Source: specs of the original, "unit norm": the deviation is the unbiased one, plus 1e-8.
    """
    flat = maps.reshape(len(maps), -1, maps.shape[-1])
    centred = flat - flat.mean(axis=-1, keepdims=True)
    return centred / (flat.std(axis=-1, ddof=1, keepdims=True) + 1e-8)


def pooled(maps: np.ndarray, grid: int) -> np.ndarray:
    """Maps [B, h, w, C] as means over grid * grid parts, [B, grid * grid, C], of unit norm per image."""
    flat = LatentPooling(grid)(maps).numpy()
    return flat.reshape(len(maps), grid * grid, maps.shape[-1])
