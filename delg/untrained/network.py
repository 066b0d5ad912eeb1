"""The network of DELG that needs no training: maps of a pretrained backbone, used as they are."""

from __future__ import annotations

import keras

from delg.networks import layers
from delg.networks.backbone import build_backbone
from delg.networks.pooling import global_vector
from delg.settings.untrained import UntrainedConfig


def build_untrained(config: UntrainedConfig, backbone_weights: str, projected: bool = True,
                    attention_dim: int = 0, whitened: bool = False) -> keras.Model:
    """The outputs of DELG that an export gives, with heads that have learnt nothing from photographs' labels.

    The global descriptor is the pooled map, multiplied by the layer `whitening` if it is whitened, a Dense
    layer that starts as the identity. The attention of a cell is the norm of its features, as in HOW, section
    3.3 (https://arxiv.org/abs/2007.13172), or the score of DELG's attention head without its BatchNorm; its
    descriptor is their direction, projected by the layer `projection`, a Dense layer that
    starts as the identity of the first channels.

    Args:
        config: sizes of everything.
        backbone_weights: as of `build_backbone`.
        projected: whether there is a projection; else a local descriptor has all channels of the map.
        attention_dim: hidden channels of DELG's attention head; 0: the norm is the attention.
        whitened: whether there is a whitening.

    Returns:
        Model from `images`, RGB [B, H, W, 3], 0..255, to a dict of float32 tensors: `global_descriptor`
        [B, C], unit norm; `attention_scores` [B, h, w, 1], positive; `local_descriptors`
        [B, h, w, local_dim], not normalised.
    """
    images = keras.Input((None, None, 3), name="images", dtype="float32")
    maps = build_backbone(config.backbone, 1.0, backbone_weights, config.local_stride)(images)
    pooled = global_vector(maps, config)
    if whitened:
        pooled = keras.layers.Dense(pooled.shape[-1], use_bias=False, kernel_initializer="identity",
                                    dtype="float32", name="whitening")(pooled)
    directions = layers.L2Normalization(name="local_directions")(maps["local"])
    described = directions if not projected else keras.layers.Dense(
        config.local_dim, kernel_initializer="identity", dtype="float32", name="projection")(directions)
    if not attention_dim:
        scores = layers.Norm(name="attention_scores")(maps["local"])
    else:
        hidden = keras.layers.Dense(attention_dim, activation="relu", name="attention_hidden")(maps["local"])
        scores = keras.layers.Dense(1, activation="softplus", dtype="float32",
                                    name="attention_scores")(hidden)
    return keras.Model(images, {
        "global_descriptor": layers.L2Normalization(name="global_descriptor")(pooled),
        "attention_scores": scores,
        "local_descriptors": described}, name="delg_untrained")
