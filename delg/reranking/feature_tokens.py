"""Tokens that are the local features of both images, which attend to their own image and to the other one.

Source: Reranking Transformers, https://arxiv.org/abs/2103.12236, section 3.2, and AMES,
https://arxiv.org/abs/2408.03282, section 3. There segment embeddings say which image a token is of; here two
streams of shared weights do, so that the order of the images makes no difference (ours).
"""

from __future__ import annotations

import keras

from delg.reranking.layers import MaskedPooling
from delg.reranking.tokens import Image, PairTokens, attention_block, mlp, mlp_block
from delg.settings.reranking import RerankerConfig


def _encode(image: Image, other: Image, config: RerankerConfig):
    look = keras.layers.Dense(config.width, name="look")
    place = mlp(config.width, "place")
    masks = image[2], other[2]
    streams = [look(descriptors) + place(places) for descriptors, places, _ in (image, other)]
    for number in range(1, config.depth + 1):
        own, across, rest = (
            attention_block(config, f"block_{number}_own"), attention_block(config, f"block_{number}_across"),
            mlp_block(config, f"block_{number}_mlp"))
        streams = [own(tokens, None, mask) for tokens, mask in zip(streams, masks)]
        streams = [across(tokens, others, mask)
                   for tokens, others, mask in zip(streams, streams[::-1], masks[::-1])]
        streams = [rest(tokens) for tokens in streams]
    norm = keras.layers.LayerNormalization(epsilon=1e-6, name="last_norm")
    votes, pooled = keras.layers.Dense(config.width, "relu", name="votes"), MaskedPooling(name="pooled")
    first, second = (pooled([votes(norm(tokens)), mask]) for tokens, mask in zip(streams, masks))
    return first + second


FEATURES = PairTokens(_encode, is_of_model=True)
