"""Presets of the experiments of `make hashing-demo`. BUILD_NOTES.md says how each was chosen."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

from data_prep.building.config import BuildConfig
from data_prep.downloads.public_sets import PUBLIC_SETS
from data_prep.world.config import WorldConfig
from delg.settings.kinds import BACKBONES
from hashing.data.set_folders import find_images_dir
from hashing.experiments.chain import CODE_SIZES, Experiment
from hashing.training.adapt_config import AdaptConfig
from hashing.training.config import check_asymmetric, preset

_SPLITS = {"num_shards": 2, "validation_fraction": 0.15, "heldout_class_fraction": 0.25,
           "test_image_fraction": 0.25}
_UNSET = {"train_pattern": "", "model_dir": ""}  # set by the experiment
# The published recipe, with its steps scaled to some hundred images and its warm-up with them: from step 50
# on its scores go up or down by a point, and its loss is next to 0 before step 100.
_PAPER = {"num_steps": 150, "warmup_steps": 10, "steps_per_epoch": 50}
_NESTED = {"prefix_sizes": CODE_SIZES}  # one training of paper2019 for the whole table
# No step goes through the whole backbone: training its top on stored maps gives more for the same seconds.
# The code layer comes first, so that a random one does not drive the top away from what it has learnt. The
# top learns at the rate of the code layer: at a tenth of it, seen and unseen classes lose. After 120 steps
# some trainings have not settled: validation mAP at 32 bits was 86.8 to 95.5 by the seed of the training,
# after 200 it was 95.3 and 95.9. Views are limited, since their cost grows with the images and the seconds of
# paper2019 do not. Seven tenths of the way from the pretrained top to the trained one tell seen classes as
# well, and unseen ones better.
_BEST = {"num_steps": 0, "warmup_steps": 0, "head_steps": 400, "top_steps": 200, "top_share": 0.7,
         "head_views": 3, "max_head_views": 2000, "backbone_learning_rate_factor": 1.0,
         "augmentation": "original"}
# From nothing, on the made world, as measured there.
_TRIPLETS = {"mining": "batch_all", "active_only": True, "mirrored": True, "margin_per_bit": 1.0,
             "center_loss": "cosine", "center_weight": 0.5, "quantization_weight": 0.1}

_SHARED = ("train_pattern", "model_dir", "backbone", "backbone_weights", "width", "image_size", "seed")
_STEPS = ("prefix_sizes", "batch_size", "images_per_class", "augmentation", "head_steps", "top_steps",
          "head_learning_rate", "top_learning_rate", "head_views", "max_head_views", "num_steps",
          "steps_per_epoch", "learning_rate", "schedule", "warmup_steps", "backbone_learning_rate_factor",
          "freeze_batch_norm")


def photographs(output_dir: str, data_dir: str, network: dict[str, Any], seed: int = 0) -> Experiment:
    """A folder per class of some hundred photographs, and a backbone with ImageNet weights.

    Args:
        output_dir: of everything the experiment makes.
        data_dir: holds the folders of the classes.
        network: `backbone`, `backbone_weights` and `image_size`.
        seed: of everything random.
    """
    shared = {**_UNSET, **network, "seed": seed}
    best = _BEST if BACKBONES[network["backbone"]].has_top else {**_BEST, "top_steps": 0, "top_share": 1.0}
    return Experiment(
        output_dir, "Binary codes on photographs",
        BuildConfig("folder", data_dir, "shards", seed=seed, **_SPLITS),
        {"paper2019": preset("paper2019", **shared, **_PAPER, **_NESTED),
         "best": preset("best", **shared, **best)},
        _adaptation(seed), seed=seed)


def demo(output_dir: str, network: dict[str, Any], seed: int = 0) -> Experiment:
    """The landmarks of the procedural world as classes; without weights, a small network from nothing."""
    world = WorldConfig(os.path.join(output_dir, "world"), seed=seed, num_landmarks=24, views_per_landmark=40,
                        image_size=144, num_eval_landmarks=0, num_distractors=0)
    base = dataclasses.replace(photographs(output_dir, os.path.join(output_dir, "images"), network, seed),
                               title="Binary codes on a procedural landmark world", world=world)
    if network["backbone_weights"] != "none":
        return base
    scratch = {**_UNSET, "backbone_weights": "none", "backbone": "resnet18", "width": 0.25, "image_size": 96,
               "seed": seed, "steps_per_epoch": 100}
    # best sees a fifth of the images of paper2019, so that its seconds stay below a quarter with the stronger
    # augmentation. Which of the two is better here has not been measured.
    return dataclasses.replace(base, trained={
        "paper2019": preset("paper2019", **scratch, **_NESTED, num_steps=800, warmup_steps=53),
        "best": preset("best", **scratch, **_TRIPLETS, num_steps=240, warmup_steps=24, head_steps=0,
                       settle_steps=0, backbone_learning_rate_factor=1.0, freeze_batch_norm=False)})


def public_set(dataset: str, output_dir: str, data_dir: str, network: dict[str, Any],
               heldout_class_fraction: float = 0.0, seed: int = 0) -> Experiment:
    """CUB-200-2011 or Stanford Dogs, split as published, with the whole length of the published trainings.

    A length of paper2019 is a training of its own, as published.

    Args:
        dataset: cub or dogs.
        output_dir: of everything the experiment makes.
        data_dir: see `find_images_dir`.
        network: `backbone`, `backbone_weights` and `image_size`.
        heldout_class_fraction: of the classes, kept from training; 0: published tables have none.
        seed: of everything random.
    """
    shared = {**_UNSET, **network, "seed": seed}
    images_dir = find_images_dir(dataset, data_dir, os.path.join(output_dir, "unpacked"))
    build = BuildConfig(dataset, images_dir, "shards", validation_fraction=0.1, seed=seed,
                        heldout_class_fraction=heldout_class_fraction)
    return Experiment(output_dir, f"Binary codes on {dataset}", build,
                      {name: preset(name, **shared) for name in ("paper2019", "best")},
                      _adaptation(seed) if heldout_class_fraction else None, seed=seed)


def _adaptation(seed: int) -> AdaptConfig:
    return AdaptConfig("", ("set by the experiment",), "", seed=seed)


def with_presets(experiment: Experiment, names: Sequence[str]) -> Experiment:
    """The same experiment with further presets: on published sets as they are, else in the steps of best.

    Raises:
        ValueError: one of them does not go with these steps.
    """
    best = experiment.trained["best"]
    shared = _SHARED if experiment.images.dataset in PUBLIC_SETS else (*_SHARED, *_STEPS)
    further = {name: preset(name, **{field: getattr(best, field) for field in shared}) for name in names}
    for config in further.values():
        check_asymmetric(config)
    return dataclasses.replace(experiment, trained={**experiment.trained, **further})


def of_lengths(experiment: Experiment, code_sizes: tuple[int, ...], apart: bool) -> Experiment:
    """The same experiment with codes of other lengths, or each length a training of its own."""
    trained = {method: dataclasses.replace(config, prefix_sizes=()) if apart else config
               for method, config in experiment.trained.items()}
    return dataclasses.replace(experiment, code_sizes=code_sizes, trained=trained)


def smoke(experiment: Experiment) -> Experiment:
    """The same experiment, tiny and with next to no training: does every stage run?"""
    adaptation = experiment.adaptation and dataclasses.replace(experiment.adaptation, num_steps=2)
    tiny = {"backbone": "resnet18", "width": 0.125, "backbone_weights": "none", "image_size": 32,
            "batch_size": 4, "augmentation": "none", "steps_per_epoch": 2}
    last_layers = {"images_per_class": 2, "num_steps": 0, "warmup_steps": 0, "schedule": "cosine",
                   "head_steps": 5, "top_steps": 2, "head_views": 1}
    trained = {name: dataclasses.replace(config, **tiny, **last_layers,
                                         settle_steps=min(config.settle_steps, 2))
               for name, config in experiment.trained.items()}
    trained["paper2019"] = dataclasses.replace(experiment.trained["paper2019"], **tiny, num_steps=2,
                                               warmup_steps=1)
    world = experiment.world and dataclasses.replace(experiment.world, num_landmarks=4, views_per_landmark=8,
                                                     image_size=48, siblings=1, num_workers=1)
    return dataclasses.replace(experiment, trained=trained, adaptation=adaptation, world=world,
                               code_sizes=(8, 16))
