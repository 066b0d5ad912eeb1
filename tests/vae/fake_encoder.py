"""Stands for vae.latents.LatentEncoder where the network does not matter: a few colour filters."""

import numpy as np

from vae.baselines import unit


class FakeEncoder:
    """Two layers of 4 channels: the colours without the exposure, and one that tells night from day."""

    layer_names = ("shared_1_out", "latent")
    image_size = 16
    descriptor_grid = 2

    def encode(self, images, domain):
        small = images.reshape(len(images), 4, 4, 4, 4, 3).mean(axis=(2, 4)) / 255.0
        centred = small - small.mean(axis=(1, 2), keepdims=True)
        colours = centred / (small.std(axis=(1, 2), keepdims=True) + 1e-3)
        told = np.full((*colours.shape[:3], 1), 3.0 if domain == "night" else -3.0)
        maps = np.concatenate([colours, told], axis=-1).astype(np.float32)
        return {"shared_1_out": maps ** 3, "latent": maps}

    def describe(self, images, domain):
        latent = self.encode(images, domain)["latent"]
        parts = latent.reshape(len(images), 2, 2, 2, 2, 4).mean(axis=(2, 4))
        return unit(parts.reshape(len(images), -1))

    def reconstruct(self, images, domain):
        return images

    def translate(self, images, domain):
        return np.uint8(np.clip(images * (0.3 if domain == "day" else 1 / 0.3), 0, 255))

    def cycle(self, images, domain):
        return images
