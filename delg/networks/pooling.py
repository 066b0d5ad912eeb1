"""How the maps of a backbone become one vector per image: the records of `delg.settings.kinds.POOLINGS`.

Each with a generalised mean has a layer `gem_pooling`, whose `exponent` is its power.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from delg.networks import layers
from delg.settings.kinds import BACKBONES, POOLINGS

_LEAST = 1e-30  # of a mean of powers, so that its root has a gradient; chosen


@dataclasses.dataclass(frozen=True)
class Pooling:
    """A way from maps to one vector.

    Attributes:
        build: from the maps of `build_backbone`, ModelConfig or UntrainedConfig, whether the power is trained
            and whether the maps are signed, to float32 [B, D].
        needs_class_token: whether there must be a class token among the maps.
    """

    build: Callable[[Any, Any, bool, bool], Any]
    needs_class_token: bool = False


@keras.saving.register_keras_serializable(package="delg")
class RegionalGeM(keras.layers.Layer):
    """Each cell of a map drawn towards the generalised mean of the square around it, channel by channel.

    A cell becomes (x + (mean over the square of x^p)^(1/p)) / 2, where the square is cut at the border of the
    map, so that maps of any size have neighbours; the published code mirrors the map there instead. Powers of
    signed maps: as `GeMPooling` has them.
    Source: SuperGlobal, https://arxiv.org/abs/2308.06954, Regional-GeM; size and power as in its code.

    Args:
        size: side of the square, cells, odd.
        power: p, positive.
        epsilon: floor of x, of signed maps of its size, so that x^p exists.
        signed: whether maps are signed; else what is negative counts as epsilon.

    Input shape:
        [B, h, w, C].

    Output shape:
        [B, h, w, C], float32, at least epsilon unless signed.
    """

    def __init__(self, size=5, power=2.5, epsilon=1e-6, signed=False, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        if size < 1 or size % 2 == 0:
            raise ValueError(f"`size` must be odd and positive. Received: size={size}.")
        if power <= 0:
            raise ValueError(f"`power` must be positive. Received: power={power}.")
        self.size = size
        self.power = float(power)
        self.epsilon = epsilon
        self.signed = signed

    def build(self, input_shape):
        # A weight, so that models that pool otherwise have other fingerprints.
        self.exponent = self.add_weight(name="power", shape=(), trainable=False,
                                        initializer=keras.initializers.Constant(self.power))
        self.built = True

    def call(self, maps):
        maps = tf.cast(maps, tf.float32)
        floored = tf.maximum(tf.abs(maps) if self.signed else maps, self.epsilon)
        peak = tf.stop_gradient(tf.reduce_max(floored, axis=[1, 2], keepdims=True))  # see GeMPooling
        power = tf.cast(self.exponent, tf.float32)
        powers = tf.pow(floored / peak, power)
        means = tf.nn.avg_pool2d(tf.sign(maps) * powers if self.signed else powers, self.size, 1, "SAME")
        roots = tf.pow(tf.maximum(tf.abs(means), _LEAST), 1.0 / power)
        return ((maps + peak * tf.sign(means) * roots) if self.signed else (floored + peak * roots)) / 2

    def get_config(self):
        return {**super().get_config(), "size": self.size, "power": self.power, "epsilon": self.epsilon,
                "signed": self.signed}


@keras.saving.register_keras_serializable(package="delg")
class SharedCosine(keras.layers.Layer):
    """Two vectors side by side, so that cosines of the whole are those of the two in fixed shares.

    Source: the class token beside the pooled patches, DINO, section 4.2, https://arxiv.org/abs/2104.14294.

    Args:
        share: of the first, in [0, 1].

    Input shape:
        List of [B, C] and [B, D].

    Output shape:
        [B, C + D], float32, unit norm.
    """

    def __init__(self, share=0.5, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.share = share

    def build(self, input_shape):
        self.weight = self.add_weight(name="share", shape=(), trainable=False,  # see RegionalGeM
                                      initializer=keras.initializers.Constant(self.share))
        self.built = True

    def call(self, vectors):
        first, second = (tf.math.l2_normalize(tf.cast(one, tf.float32), axis=-1, epsilon=1e-12)
                         for one in vectors)
        share = tf.cast(self.weight, tf.float32)
        return tf.concat([tf.sqrt(share) * first, tf.sqrt(1.0 - share) * second], axis=-1)

    def get_config(self):
        return {**super().get_config(), "share": self.share}


def global_vector(maps, config, learnable: bool = False):
    """What the maps of a backbone become, float32 [B, D].

    Args:
        maps: of `build_backbone`, by name.
        config: ModelConfig or UntrainedConfig.
        learnable: whether the power of the generalised mean is trained.
    """
    signed = BACKBONES[config.backbone].maps.signed
    return POOLINGS[config.global_pooling].build(maps, config, learnable, signed)


def _gem(maps, config, learnable: bool, signed: bool):
    """Generalised mean over the map: the published DELG."""
    return layers.GeMPooling(config.gem_power, learnable, signed=signed, name="gem_pooling")(maps["global"])


def _regional_gem(maps, config, learnable: bool, signed: bool):
    """Generalised mean over the map of cells that have been drawn towards those around them."""
    around = RegionalGeM(signed=signed, name="regional_gem")(maps["global"])
    return _gem({"global": around}, config, learnable, signed)


def _cls(maps, config, learnable: bool, signed: bool):
    """The class token alone: the published figures of DINOv2."""
    return keras.layers.Activation("linear", dtype="float32", name="cls")(maps["class_token"])


def _cls_gem(maps, config, learnable: bool, signed: bool):
    """The class token beside the generalised mean over the map."""
    pooled = _gem(maps, config, learnable, signed)
    return SharedCosine(config.class_token_share, name="cls_gem")([maps["class_token"], pooled])


GEM = Pooling(_gem)
REGIONAL_GEM = Pooling(_regional_gem)
CLS = Pooling(_cls, needs_class_token=True)
CLS_GEM = Pooling(_cls_gem, needs_class_token=True)
