"""Presets of the day and night experiments that `make vae-demo` runs."""

from __future__ import annotations

import dataclasses
import os

from absl import logging

from data_prep.world.config import DayNightWorldConfig
from delg.settings.backbones import backbone_of
from vae.experiments.chain import Experiment
from vae.scores.config import MethodsConfig
from vae.training.config import preset
from vae.weighting.config import WeightTrainConfig

# Chosen on the webcams that are not reported, from images of 128 to 224 pixels, layers, grids and ways of
# centring. Views of a place are aligned there, which is why every cell of the map counts apart.
_STEM = {"image_size": 224, "descriptor_grid": 14, "center_latent": False, "batch_size": 6, "num_steps": 40,
         "steps_per_epoch": 20, "relit_contrast_weight": 0.0}
# Chosen on a world of seed 1, where a second of training is dear: thirty steps make the latent of the stem
# invariant. Views of a place differ in the world, hence the coarser grid. Relit images find each other by a
# pretrained stem before any training.
_WORLD_STEM = {"image_size": 160, "descriptor_grid": 5, "batch_size": 8, "num_steps": 30,
               "steps_per_epoch": 10, "relit_contrast_weight": 0.0}
_UNSET = {"train_pattern": "", "model_dir": ""}  # set by the experiment


def demo(output_dir: str, methods: MethodsConfig, seed: int = 0) -> Experiment:
    """Both presets, small, on the procedural world by day and by night.

    Where `methods` has ImageNet weights the mended preset starts from them and knows no pairs. From nothing,
    as the title says, it is the preset `paired`.
    """
    size = {"image_size": 64, "width": 0.125, "batch_size": 16, "num_steps": 250,
            "steps_per_epoch": 50, "seed": seed}
    base = Experiment(
        output_dir=output_dir,
        title="Day and night, one latent: a procedural world, known pairs, no pretrained weights",
        world=DayNightWorldConfig(os.path.join(output_dir, "world"), seed=seed),
        # The original's rate of 1e-4 would not get far in so few steps.
        paper=preset("paper", **{**_UNSET, **size, "learning_rate": 1e-3,
                                 "plateau_epochs": 0, "descriptor_grid": 8}),
        adversarial=preset("paired", **{**_UNSET, **size, "pair_contrast_weight": 3.0}),
        weights=WeightTrainConfig(**_UNSET, vae_dir="", num_steps=300, steps_per_epoch=20, seed=seed),
        methods=methods, seed=seed)
    if not methods.imagenet_weights:
        return base
    return dataclasses.replace(
        base, title="Day and night, one latent: a procedural world, no pairs, from ImageNet's weights",
        adversarial=preset("adversarial", **{**_UNSET, **size, **_WORLD_STEM, **_stem(methods)}),
        pooled_margin=0.05)


def photographs(output_dir: str, data_dir: str, methods: MethodsConfig, seed: int = 0) -> Experiment:
    """Both presets on photographs: pairs are images of one place, half the places are reported.

    The mended preset starts from ImageNet features where `methods` has ImageNet weights, and else, as the log
    and the title say, from nothing.
    """
    base = demo(output_dir, dataclasses.replace(methods, imagenet_weights=""), seed)
    # Few places make a poor covariance, and their parts say little of others.
    title = "Day and night, one latent: photographs"
    changes = {"pairing": "place", "whiten_latent": False, "weigh_parts": False}
    if methods.imagenet_weights:
        changes = {**changes, **_STEM, **_stem(methods)}
    else:
        title += ", without pretrained weights"
        logging.warning("The encoder starts from nothing, and few photographs teach it little: give it "
                        "--imagenet_weights.")
    return dataclasses.replace(
        base, title=title, world=None, data_dir=data_dir, methods=methods, test_fraction=0.5,
        adversarial=dataclasses.replace(base.adversarial, **changes))


def _stem(methods: MethodsConfig) -> dict[str, str]:
    return {"stem": backbone_of(methods.imagenet_weights), "stem_weights": methods.imagenet_weights}


def smoke(output_dir: str, methods: MethodsConfig, seed: int = 0) -> Experiment:
    """The demo, tiny, with next to no training: does every stage run?"""
    base = demo(output_dir, dataclasses.replace(methods, imagenet_weights=""), seed)
    tiny = {"image_size": 32, "width": 0.0625, "batch_size": 2, "num_steps": 2, "steps_per_epoch": 2,
            "num_pictures": 1}
    return dataclasses.replace(
        base, world=DayNightWorldConfig(os.path.join(output_dir, "world"), seed=seed, num_places=6,
                                        views_per_place=1, image_size=48, siblings=1, num_workers=1),
        paper=dataclasses.replace(base.paper, **tiny),
        adversarial=dataclasses.replace(base.adversarial, **tiny), methods=methods, layer_counts=(1, 2),
        image_size=48,
        weights=dataclasses.replace(base.weights, num_steps=2, steps_per_epoch=1, batch_size=4,
                                    num_validation=4, num_hard=2))
