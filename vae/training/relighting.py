"""Random light: what should not change where an image is taken to be."""

from __future__ import annotations

import tensorflow as tf

# All chosen.
_KNOTS = 6  # of the tone curve
_CURVE_DEVIATION = 0.3  # of the curve's values from those of the identity; it may turn back on itself
_FIELD_CELLS = 4  # of the light field, along each side
_FIELD_DEVIATION = 0.5  # of the logarithm of the light
_COLOUR_DEVIATION = 0.2  # of the logarithm of each channel's gain
_NOISE_DEVIATION = 0.03


def relight(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Each image with its tones bent, under a smooth uneven light of a random colour, with noise.

    Args:
        images: float32, [B, H, W, 3], in [0, 1].
        seed: int, [2]; same seed, same light.

    Returns:
        float32, [B, H, W, 3], in [0, 1].
    """
    seeds = tf.random.experimental.stateless_split(seed, 4)
    shape = tf.shape(images)
    knots = tf.linspace(0.0, 1.0, _KNOTS) + _CURVE_DEVIATION * tf.random.stateless_normal(
        [shape[0], _KNOTS], seeds[0])
    # A tent around each knot: the curve is linear between them.
    places = images[..., tf.newaxis] * (_KNOTS - 1)
    tents = tf.nn.relu(1.0 - tf.abs(places - tf.range(_KNOTS, dtype=tf.float32)))
    bent = tf.einsum("bhwck,bk->bhwc", tents, knots)
    cells = [shape[0], _FIELD_CELLS, _FIELD_CELLS, 1]
    field = tf.image.resize(_FIELD_DEVIATION * tf.random.stateless_normal(cells, seeds[1]), shape[1:3])
    colour = _COLOUR_DEVIATION * tf.random.stateless_normal([shape[0], 1, 1, 3], seeds[2])
    noise = _NOISE_DEVIATION * tf.random.stateless_normal(shape, seeds[3])
    return tf.clip_by_value(bent * tf.exp(field + colour) + noise, 0.0, 1.0)
