"""Features of photographs by a frozen encoder, in the form that channel weights work on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from vae.data.photographs import Photographs, resized
from vae.latents.latents import LatentEncoder

_BATCH_SIZE = 32


def layer_features(encoder: LatentEncoder, photographs: Photographs, layers: Sequence[str],
                   to_features: Callable[[np.ndarray, int], np.ndarray]) -> dict[str, np.ndarray]:
    """Features of all photographs by layer, float16 [N, P, C].

    Args:
        encoder: whose shared layers are taken.
        photographs: each goes through the encoder of its domain.
        layers: names, of `encoder.layer_names`.
        to_features: from maps [B, h, w, C] and the grid of the encoder's descriptors to [B, P, C].
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
                features = to_features(maps, encoder.descriptor_grid)
                store = found.setdefault(name, np.empty((len(photographs), *features.shape[1:]), np.float16))
                store[batch] = features
    return {name: found[name] for name in layers}
