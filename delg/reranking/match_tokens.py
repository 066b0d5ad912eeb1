"""Tokens that are matches: where two features lie and how alike they are, but not how they look.

So the re-ranker learns what matches of one landmark have in common, which holds of landmarks never seen, and
of descriptors of any model. Source of reading correlations and places: R2Former,
https://arxiv.org/abs/2304.03410. Attention sees which matches agree on one move of the camera, by a bias of
its logits (ours).
"""

from __future__ import annotations

import keras

from delg.reranking.layers import MaskedPooling, MutualMatches, PairwiseConsistency
from delg.reranking.tokens import Image, PairTokens, attention_block, mlp, mlp_block
from delg.settings.reranking import RerankerConfig

_BIAS_UNITS = 16  # that make a bias of consistency; chosen


def _encode(image: Image, other: Image, config: RerankerConfig):
    num_matches = min(config.num_matches, config.num_features)
    places, other_places, likeness, mask = MutualMatches(num_matches, name="matches")([*image, *other])
    # Of either image in turn, and summed: that makes it the same whichever is first.
    embed, swapped = mlp(config.width, "embedding"), SwapLeads(name="swapped")
    tokens = (embed(keras.layers.Concatenate()([places, other_places, likeness]))
              + embed(keras.layers.Concatenate()([other_places, places, swapped(likeness)])))
    consistency = PairwiseConsistency(name="consistency")([places, other_places])
    for number in range(1, config.depth + 1):
        hidden = keras.layers.Dense(_BIAS_UNITS, "relu", name=f"bias_{number}_hidden")(consistency)
        bias = keras.layers.Dense(config.num_heads, name=f"bias_{number}")(hidden)
        tokens = attention_block(config, f"block_{number}")(tokens, None, mask, bias)
        tokens = mlp_block(config, f"block_{number}_mlp")(tokens)
    tokens = keras.layers.LayerNormalization(epsilon=1e-6, name="last_norm")(tokens)
    tokens = keras.layers.Dense(config.width, "relu", name="votes")(tokens)
    return MaskedPooling(name="pooled")([tokens, mask])


@keras.saving.register_keras_serializable(package="delg")
class SwapLeads(keras.layers.Layer):
    """The likeness of matches as seen from the other image: [B, K, 3] with the last two exchanged."""

    def call(self, likeness):
        return keras.backend.concatenate([likeness[..., :1], likeness[..., 2:], likeness[..., 1:2]])


MATCHES = PairTokens(_encode, is_of_model=False)
