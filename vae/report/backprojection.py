"""Gradient of a channel's activation at each pixel: what moves a channel of the encoder."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from vae.networks.model import SHARED_LAYERS, encode


def backproject(model: keras.Model, images: np.ndarray, domain: str, layer: str, channel: int) -> np.ndarray:
    """Size of the gradient of one channel's activation, summed over the map, at each pixel.

    The original shows such maps without saying how they were made; this is the plain gradient, its Euclidean
    norm over the colours.
    Source: Simonyan et al., https://arxiv.org/abs/1312.6034, section 3, there the gradient of a class.

    Args:
        model: from `build_vae`.
        images: uint8, [B, H, W, 3], of one domain.
        domain: "day" or "night".
        layer: of SHARED_LAYERS.
        channel: of that layer.

    Returns:
        float32, [B, H, W], not negative; in units of activation per full range of a colour.

    Raises:
        ValueError: there is no such layer or channel.
    """
    if layer not in SHARED_LAYERS:
        raise ValueError(f"`layer` must be one of {', '.join(SHARED_LAYERS)}. Received: layer={layer!r}.")
    pixels = tf.constant(images, tf.float32) / 255.0
    with tf.GradientTape() as tape:
        tape.watch(pixels)
        maps = encode(model, pixels, domain, training=False)[layer]
        if not 0 <= channel < maps.shape[-1]:
            raise ValueError(f"`channel` must be in [0, {maps.shape[-1]}), the channels of {layer}. "
                             f"Received: channel={channel}.")
        total = tf.reduce_sum(tf.cast(maps[..., channel], tf.float32))
    return tf.norm(tape.gradient(total, pixels), axis=-1).numpy()
