"""Layers of a re-ranker that Keras does not have; tokens are [B, K, C], masks [B, K] of True for tokens."""

from __future__ import annotations

import keras
import tensorflow as tf

_FAR_BELOW = -1e9  # a logit whose softmax is 0
_PLACES = 3  # y, x, log2 of the scale


@keras.saving.register_keras_serializable(package="delg")
class MaskedAttention(keras.layers.Layer):
    """Attention of several heads over the tokens that a mask allows, with an optional bias of its logits.

    Source: "Attention Is All You Need", https://arxiv.org/abs/1706.03762, section 3.2.2; the bias as in
    relative positions, https://arxiv.org/abs/1803.02155.

    Args:
        num_heads: H, that share the channels.

    Input shape:
        A list: queries [B, K, C], C a multiple of H; keys [B, M, C]; the mask of keys, bool [B, M]; and
        optionally the bias, [B, K, M, H].

    Output shape:
        [B, K, C].
    """

    def __init__(self, num_heads, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads

    def build(self, input_shape):
        width = input_shape[0][-1]
        self._dense = {name: self._projection(name, width) for name in ("query", "key", "value", "output")}
        super().build(input_shape)

    def _projection(self, name, width):
        layer = keras.layers.Dense(width, name=name, dtype=self.dtype_policy)
        layer.build([None, None, width])
        setattr(self, f"{name}_dense", layer)
        return layer

    def call(self, inputs):
        tokens, others, mask, *bias = inputs
        query, key, value = (
            self._heads(self._dense[name](source))
            for name, source in (("query", tokens), ("key", others), ("value", others)))
        logits = tf.einsum("bqhc,bkhc->bqkh", query, key) * query.shape[-1]**-0.5
        logits = tf.cast(logits, tf.float32) + (tf.cast(bias[0], tf.float32) if bias else 0.0)
        logits = tf.where(mask[:, None, :, None], logits, _FAR_BELOW)
        weights = tf.cast(tf.nn.softmax(logits, axis=2), value.dtype)
        mixed = tf.einsum("bqkh,bkhc->bqhc", weights, value)
        return self._dense["output"](tf.reshape(mixed, tf.shape(tokens)))

    def _heads(self, tokens):
        shape = tf.shape(tokens)
        return tf.reshape(tokens, [shape[0], shape[1], self.num_heads, tokens.shape[-1] // self.num_heads])

    def compute_output_shape(self, input_shape):
        return tuple(input_shape[0])

    def get_config(self):
        return {**super().get_config(), "num_heads": self.num_heads}


@keras.saving.register_keras_serializable(package="delg")
class MutualMatches(keras.layers.Layer):
    """The features of two images that are each the other's nearest, nearest first; without weights.

    Works in float32 whatever the mixed precision policy: neighbours differ in the last digits.

    Args:
        num_matches: K, kept at most; no more than either image has features.

    Input shape:
        A list, of one image and then of the other: unit descriptors [B, N, D], places [B, N, 3] and mask,
        bool [B, N].

    Output shape:
        A list: places in the one image and in the other, [B, K, 3] each; likeness [B, K, 3]: cosine of the
        pair, and how far the second nearest is behind, seen from either image; mask, bool [B, K].
    """

    def __init__(self, num_matches, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.num_matches = num_matches

    def call(self, inputs):
        descriptors, places, mask, other_descriptors, other_places, other_mask = inputs
        cosines = tf.einsum("bnd,bmd->bnm", descriptors, other_descriptors)
        cosines = tf.where(mask[:, :, None] & other_mask[:, None, :], cosines, -1.0)
        best, column = tf.math.top_k(cosines, 2)
        other_best, row = tf.math.top_k(tf.transpose(cosines, [0, 2, 1]), 2)
        column, row = column[..., 0], row[..., 0]
        back = tf.gather(row, column, batch_dims=1)
        is_match = mask & tf.gather(other_mask, column, batch_dims=1) & (back == tf.range(tf.shape(back)[1]))
        cosine, rows = tf.math.top_k(tf.where(is_match, best[..., 0], -2.0), self.num_matches)
        columns = tf.gather(column, rows, batch_dims=1)
        lead = tf.gather(best[..., 0] - best[..., 1], rows, batch_dims=1)
        other_lead = tf.gather(other_best[..., 0] - other_best[..., 1], columns, batch_dims=1)
        kept = tf.gather(is_match, rows, batch_dims=1)
        likeness = tf.where(kept[..., None], tf.stack([cosine, lead, other_lead], axis=-1), 0.0)
        return [tf.gather(places, rows, batch_dims=1), tf.gather(other_places, columns, batch_dims=1),
                likeness, kept]

    def compute_output_shape(self, input_shape):
        shape = (input_shape[0][0], self.num_matches)
        return [(*shape, _PLACES), (*shape, _PLACES), (*shape, 3), shape]

    def get_config(self):
        return {**super().get_config(), "num_matches": self.num_matches}


@keras.saving.register_keras_serializable(package="delg")
class PairwiseConsistency(keras.layers.Layer):
    """How well every two matches agree on one move of the camera; the same if the images change places.

    Two points that lie on one thing keep the angle of the line between them, for photographs are upright, and
    its length changes as the scales of their features do. Source of the idea: spatial consistency, PointDSC,
    https://arxiv.org/abs/2103.05465, section 3.2; the five numbers are ours.

    Input shape:
        A list: places in the one image and in the other, [B, K, 3] each.

    Output shape:
        [B, K, K, 5]: cosine of the angle between the two lines; the logarithms of how much longer one is,
        of how much that differs from the scales, and of how much the scales differ; the shorter line.
    """

    def __init__(self, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})

    def call(self, inputs):
        places, other_places = inputs
        lines, other_lines = (each[:, :, None, :2] - each[:, None, :, :2] for each in (places, other_places))
        length, other_length = (tf.sqrt(tf.reduce_sum(line**2, -1) + 1e-4) for line in (lines, other_lines))
        zoom = tf.math.log(other_length / length) / tf.math.log(2.0)
        scale = other_places[..., 2] - places[..., 2]
        expected = (scale[:, :, None] + scale[:, None, :]) / 2
        return tf.stack([tf.reduce_sum(lines * other_lines, -1) / (length * other_length), tf.abs(zoom),
                         tf.abs(zoom - expected), tf.abs(scale[:, :, None] - scale[:, None, :]),
                         tf.minimum(length, other_length)], axis=-1)

    def compute_output_shape(self, input_shape):
        batch, num_matches, _ = input_shape[0]
        return (batch, num_matches, num_matches, 5)


@keras.saving.register_keras_serializable(package="delg")
class MaskedPooling(keras.layers.Layer):
    """The sum of tokens over their largest number, which grows with how many there are, beside their maximum.

    Input shape:
        A list: tokens [B, K, C], at least 0; mask, bool [B, K].

    Output shape:
        [B, 2 C].
    """

    def call(self, inputs):
        tokens, mask = inputs
        tokens = tokens * tf.cast(mask[..., None], tokens.dtype)
        return tf.concat([tf.reduce_mean(tokens, axis=1), tf.reduce_max(tokens, axis=1)], axis=-1)

    def compute_output_shape(self, input_shape):
        batch, _, channels = input_shape[0]
        return (batch, 2 * channels)
