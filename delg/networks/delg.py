"""The DELG model: one backbone pass, a global descriptor, and local descriptors with attention scores."""

from __future__ import annotations

from typing import Any

import keras

from delg.networks import layers, model_files
from delg.networks.backbone import build_backbone
from delg.networks.pooling import global_vector
from delg.networks.replica_batch_norm import BatchNormalization
from delg.networks.replicas import row_classifiers
from delg.settings.kinds import BACKBONES
from delg.settings.model import ModelConfig


def build_delg(config: ModelConfig, backbone_weights: str = "none",
               synchronized: bool = False, by_rows: bool = False) -> keras.Model:
    """DELG as a functional model.

    The local branches see the local map through a stopped gradient, so that only the global loss moves the
    backbone. Heads are computed in float32 where precision matters; outputs are always float32.
    Source: DELG, section 3, https://arxiv.org/abs/2001.05027.

    Args:
        config: sizes of everything.
        backbone_weights: "imagenet", "none" or a weight file of the backbone.
        synchronized: BatchNorm shares its batch statistics between the replicas of a tf.distribute strategy;
            for training on several replicas. The weights are the same either way.
        by_rows: the classifiers are those of `row_classifiers`, for training with very many classes. The
            weight files are the same either way.

    Returns:
        Model from `images`, RGB [B, H, W, 3], 0..255, uint8 or float, to a dict, where [h, w] are the
        cells of the local map:
        - global_descriptor: [B, embedding_dim], unit norm;
        - global_cosines: [B, num_classes], in [-1, 1];
        - attention_scores: [B, h, w, 1], positive;
        - attention_logits: [B, num_classes];
        - local_descriptors: [B, h, w, autoencoder_dim], not normalised; without autoencoder the local map;
        - reconstruction_error: [B], mean squared error; absent without the autoencoder.
        The layer `backbone` is the backbone; every other layer with weights belongs to a head.
    """
    images = keras.Input((None, None, 3), name="images", dtype="float32")
    maps = build_backbone(config.backbone, config.width, backbone_weights, config.local_stride,
                          synchronized)(images)
    local_map = layers.StopGradient(name="local_map")(maps["local"])
    signed = BACKBONES[config.backbone].maps.signed
    cosine_classifier, classifier = (
        (row_classifiers.CosineClassifier, row_classifiers.Dense) if by_rows
        else (layers.CosineClassifier, keras.layers.Dense))
    outputs = _global_head(maps, config, cosine_classifier)
    encoded = decoded = local_map
    if config.use_autoencoder:
        encoded = keras.layers.Conv2D(config.autoencoder_dim, 1, name="encoder")(local_map)
        decoded = keras.layers.Conv2D(local_map.shape[-1], 1, activation="linear" if signed else "relu",
                                      name="decoder")(encoded)
        outputs["reconstruction_error"] = layers.ReconstructionError(name="reconstruction_error")(
            [local_map, decoded])
    outputs["local_descriptors"] = _as_float32(encoded, "local_descriptors")
    outputs.update(_attention_head(local_map, decoded, config, synchronized, classifier))
    return keras.Model(images, outputs, name="delg")


def _as_float32(tensor, name):
    return keras.layers.Activation("linear", dtype="float32", name=name)(tensor)


def _global_head(maps, config, cosine_classifier):
    pooled = global_vector(maps, config, config.learn_gem_power)
    whitened = keras.layers.Dense(config.embedding_dim, dtype="float32", name="whitening")(pooled)
    descriptor = layers.L2Normalization(name="global_descriptor")(whitened)
    cosines = cosine_classifier(config.num_classes, config.num_subcenters, name="global_cosines")(descriptor)
    return {"global_descriptor": descriptor, "global_cosines": cosines}


def _attention_head(local_map, decoded, config, synchronized, classifier):
    """Scores from the local map; the decoded map, weighted by them, must tell the class."""
    hidden = keras.layers.Conv2D(config.attention_dim, 1, name="attention_hidden")(local_map)
    batch_norm = BatchNormalization if synchronized else keras.layers.BatchNormalization
    hidden = batch_norm(name="attention_bn")(hidden)
    hidden = keras.layers.ReLU(name="attention_relu")(hidden)
    scores = keras.layers.Conv2D(1, 1, activation="softplus", dtype="float32",
                                 name="attention_scores")(hidden)
    unit = layers.L2Normalization(name="attention_features")(decoded)
    weighted = keras.layers.Multiply(dtype="float32", name="attention_weighted")([scores, unit])
    pooled = keras.layers.GlobalAveragePooling2D(dtype="float32", name="attention_pooling")(weighted)
    pooled = keras.layers.Rescaling(config.attention_pool_scale, dtype="float32",
                                    name="attention_scale")(pooled)
    logits = classifier(config.num_classes, dtype="float32", name="attention_logits")(pooled)
    return {"attention_scores": scores, "attention_logits": logits}


def descriptor_model(model: keras.Model, outputs: tuple[str, ...] = ("global_descriptor",)) -> keras.Model:
    """The part of a DELG model that computes some of its outputs; weights are shared with `model`.

    Args:
        model: from `build_delg`.
        outputs: names of outputs to keep.

    Returns:
        Model from `images` to a dict of those outputs.

    Raises:
        ValueError: `model` lacks an output.
    """
    missing = [name for name in outputs if name not in model.output]
    if missing:
        raise ValueError(f"`outputs` must be among {', '.join(sorted(model.output))}. Received: {missing}.")
    return keras.Model(model.input, {name: model.output[name] for name in outputs}, name="delg_part")


def load_delg(model_dir: str, weights: str = "best") -> tuple[keras.Model, dict[str, Any]]:
    """A trained DELG model, in float32, and the contents of its `config.json`.

    Args:
        model_dir: written by `training.loop.train`.
        weights: "best" or "last".

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is not what it should be.
    """
    return model_files.load_model(model_dir, weights, ModelConfig, build_delg)
