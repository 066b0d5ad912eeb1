"""Presets of the DELG experiments that `make` runs. BUILD_NOTES.md says how each was chosen."""

from __future__ import annotations

import dataclasses
import os

from data_prep.world.config import WorldConfig
from delg.experiments.chain import Experiment
from delg.settings.backbones import backbone_of
from delg.settings.extraction import ExtractConfig
from delg.settings.index import IndexConfig
from delg.settings.photos import photo_extraction
from delg.settings.search import SearchConfig
from delg.settings.training import PRESETS, TrainConfig
from delg.settings.untrained import UntrainedConfig

_LOCAL_INDEX = IndexConfig(index_type="binary_asmk")


def demo(output_dir: str, seed: int = 0) -> Experiment:
    """A quarter-width ResNet-18 on the procedural world, in minutes on two cores."""
    return Experiment(
        output_dir=output_dir,
        title="DELG on a procedural landmark world",
        world=WorldConfig(os.path.join(output_dir, "world"), seed=seed, num_landmarks=200,
                          views_per_landmark=20, num_eval_landmarks=24, num_distractors=300),
        model=TrainConfig(
            train_pattern="", model_dir="", backbone="resnet18", width=0.25, backbone_weights="none",
            embedding_dim=128, autoencoder_dim=64, attention_dim=128, attention_pool_scale=16.0,
            margin=0.15, scale=24.0, image_size=144, min_crop_area=0.4, batch_size=32, num_steps=2800,
            optimizer="adam", learning_rate=2e-3, schedule="cosine", warmup_steps=100, steps_per_epoch=400,
            seed=seed),
        # Small images: the network sees them enlarged, and the threshold would leave too few keypoints.
        extract=ExtractConfig(max_image_size=256, local_scales=(1.0, 2**0.5, 2.0, 2**1.5),
                              max_num_features=1500, score_threshold=0.0),
        search=SearchConfig(num_rerank=200, guided_neighbors=5, expand_query=True, inlier_weight=1.0,
                            seed=seed))


def smoke(output_dir: str, seed: int = 0) -> Experiment:
    """The demo with a tiny world and next to no training: does every stage run?"""
    base = demo(output_dir, seed)
    return dataclasses.replace(
        base,
        world=dataclasses.replace(base.world, num_landmarks=6, views_per_landmark=12, num_eval_landmarks=4,
                                  eval_views_per_landmark=5, num_distractors=10),
        model=dataclasses.replace(base.model, num_steps=20, steps_per_epoch=10, warmup_steps=2,
                                  image_size=64, batch_size=16),
        heldout_class_fraction=0.34)


def real(output_dir: str, backbone_weights: str, seed: int = 0) -> Experiment:
    """What gains on some hundred photographs of landmarks that are not those evaluated on.

    The model that comes with the package keeps its heads, and all evidence is summed. A backbone from a file
    has none, so they are trained.
    """
    shared = {"output_dir": output_dir, "title": "DELG on real photographs",
              "heldout_class_fraction": 0.0, "validation_fraction": 0.0}
    if backbone_weights == "package":
        return Experiment(
            **shared, model=UntrainedConfig(), extract=photo_extraction(), local_index=_LOCAL_INDEX,
            query_views=True,
            search=SearchConfig(evidence="global,asmk,geometry,neighbors", seed=seed))
    return Experiment(
        **shared,
        model=TrainConfig(**{
            **PRESETS["heads"], "train_pattern": "", "model_dir": "", "seed": seed,
            "backbone": backbone_of(backbone_weights), "backbone_weights": backbone_weights,
            "attention_dim": 512, "image_size": 321, "num_init_images": 2000}),
        extract=ExtractConfig(max_image_size=512, local_scales=(0.5**0.5, 1.0, 2**0.5, 2.0)),
        search=SearchConfig(expand_query=True, seed=seed))
