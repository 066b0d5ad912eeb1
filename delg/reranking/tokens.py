"""What a re-ranker's tokens are: one record of the table `delg.settings.kinds.PAIR_TOKENS` for each kind."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import keras

from delg.reranking.layers import MaskedAttention
from delg.settings.reranking import RerankerConfig

_MLP_RATIO = 2  # hidden units of a block per channel; chosen
Image = tuple[Any, Any, Any]  # tensors: descriptors [B, N, D], places [B, N, 3], mask bool [B, N]


@dataclasses.dataclass(frozen=True)
class PairTokens:
    """A kind of tokens, and how they attend to one another.

    Attributes:
        encode: from the two images to what is pooled, float [B, 2 C]; the same if they change places.
        is_of_model: whether it reads descriptors themselves, so that it serves features of its model alone.
    """

    encode: Callable[[Image, Image, RerankerConfig], Any]
    is_of_model: bool


def mlp(width: int, name: str) -> Callable:
    """Two dense layers, of one width, with a ReLU between them."""
    hidden = keras.layers.Dense(width, "relu", name=f"{name}_hidden")
    output = keras.layers.Dense(width, name=f"{name}_output")
    return lambda values: output(hidden(values))


def attention_block(config: RerankerConfig, name: str) -> Callable:
    """Tokens plus what they attend to, as a function of tokens, others (None: themselves), mask and bias.

    Source: blocks that normalise first, https://arxiv.org/abs/2002.04745.
    """
    norm = keras.layers.LayerNormalization(epsilon=1e-6, name=f"{name}_norm")
    attention = MaskedAttention(config.num_heads, name=f"{name}_attention")

    def block(tokens, others, mask, *bias):
        normed = norm(tokens)
        others = normed if others is None else norm(others)
        return tokens + attention([normed, others, mask, *bias])

    return block


def mlp_block(config: RerankerConfig, name: str) -> Callable:
    """Tokens plus what a perceptron makes of each."""
    norm = keras.layers.LayerNormalization(epsilon=1e-6, name=f"{name}_norm")
    hidden = keras.layers.Dense(_MLP_RATIO * config.width, "relu", name=f"{name}_hidden")
    output = keras.layers.Dense(config.width, name=f"{name}_output")
    return lambda tokens: tokens + output(hidden(norm(tokens)))
