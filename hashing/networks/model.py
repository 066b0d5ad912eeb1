"""The hashing network: a backbone, its pooled features, and the code layer."""

from __future__ import annotations

import keras

from delg.networks.backbone import build_backbone
from hashing.networks.config import ModelConfig


def build_hashing(config: ModelConfig, backbone_weights: str = "none") -> keras.Model:
    """Network from images to real-valued codes.

    Source: the models of the published numbers (2019), with tanh and without their final classifier.

    Args:
        config: what it is made of.
        backbone_weights: "imagenet" (keras.applications fetches them), "package" (a package brings them),
            "none" or a weight file: see `delg.networks.weights.keras_files` and `load_vit_weights`.

    Returns:
        Model from RGB images [B, S, S, 3], 0..255, to a dict of float32 tensors: `codes` [B, K] in (-1, 1),
        `code_logits` [B, K], the same before tanh, and `features` [B, D], what the code layer sees.

    Raises:
        ValueError: weights that do not fit.
        FileNotFoundError: `backbone_weights` names no file.
    """
    size = config.image_size
    images = keras.Input((size, size, 3), name="images", dtype="float32")
    backbone = build_backbone(config.backbone, config.width, backbone_weights, image_size=size)
    features = backbone(images)
    if isinstance(features, dict) and "class_token" in features:
        features = features["class_token"]
    elif isinstance(features, dict):
        features = keras.layers.GlobalAveragePooling2D(name="pooling")(features["global"])
    features = keras.layers.Activation("linear", dtype="float32", name="features")(features)
    values = keras.layers.Dense(config.code_size, dtype="float32", name="code_layer")(features)
    if config.code_batch_norm:
        values = keras.layers.BatchNormalization(name="code_norm", dtype="float32")(values)
    codes = keras.layers.Activation("tanh", dtype="float32", name="codes")(values)
    return keras.Model(images, {"codes": codes, "code_logits": values, "features": features}, name="hashing")
