"""Settings of a training of the VAE, and presets."""

from __future__ import annotations

import dataclasses
from typing import Any

from data_prep.stage.settings import check_fields, like, require, require_member, setting
from data_prep.stage.table import OrNone
from delg.settings.backbones import check_weights
from delg.settings.fitting import FitConfig, check_warmup
from delg.settings.kinds import BACKBONES, SCHEDULES
from vae.data.kinds import AUGMENTATIONS, PAIRINGS
from vae.networks.config import ModelConfig

PRECISIONS = ("float32", "bfloat16")  # float16 would need its two losses scaled


@dataclasses.dataclass(frozen=True)
class TrainConfig(FitConfig):
    """One training run. The defaults are the original's; `preset` gives others."""

    train_pattern: str = like(FitConfig, "train_pattern", help="glob of TFRecord shards of images with a "
    "domain")
    validation_pattern: str = like(
        FitConfig, "validation_pattern", help="glob of shards of other places, for losses, the fall of the "
        "learning rate and the best weights; empty: none")
    # Model.
    image_size: int = like(ModelConfig, "image_size")
    width: float = like(ModelConfig, "width")
    normalization: str = like(ModelConfig, "normalization")
    up_normalization: str = like(ModelConfig, "up_normalization")
    input_normalization: str = like(ModelConfig, "input_normalization")
    learn_variance: bool = like(ModelConfig, "learn_variance")
    center_latent: bool = like(ModelConfig, "center_latent")
    whiten_latent: bool = like(ModelConfig, "whiten_latent")
    weigh_parts: bool = like(ModelConfig, "weigh_parts")
    descriptor_grid: int = like(ModelConfig, "descriptor_grid")
    stem: str = like(ModelConfig, "stem")
    stem_width: float = like(ModelConfig, "stem_width")
    stem_weights: str = setting(
        "imagenet", help="what the stem starts from: imagenet, package, none, or the path of a weight file")
    stem_learning_rate_factor: float = setting(
        0.0, help="share of the learning rate that the stem takes; 0: its weights stay", range="[0, inf)")
    equal_start: bool = setting(
        False, help="the encoders of both domains start with equal weights; else, as in the original, apart")
    # Weights of the losses.
    reconstruction_weight: float = setting(
        10.0, help="weight of the mean absolute difference of an image and its reconstruction",
        range="[0, inf)")
    kl_weight: float = setting(
        0.01, help="weight of the Kullback-Leibler divergence of the posterior of images", range="[0, inf)")
    cycle_weight: float = setting(
        10.0, help="weight of the mean absolute difference of an image and its translation translated back",
        range="[0, inf)")
    cycle_kl_weight: float = setting(
        0.01, help="weight of the Kullback-Leibler divergence of the posterior of translations",
        range="[0, inf)")
    image_adversarial_weight: float = setting(
        0.0, help="weight of translations against discriminators of each domain; 0: none", range="[0, inf)")
    latent_adversarial_weight: float = setting(
        0.0, help="weight of a domain classifier on the latent, its gradient reversed; 0: none",
        range="[0, inf)")
    translation_contrast_weight: float = setting(
        0.0, help="weight of the InfoNCE loss of an image and its relit translation; 0: none",
        range="[0, inf)")
    relit_contrast_weight: float = setting(
        0.0, help="weight of the InfoNCE loss of two relit versions of an image, each seen by the encoder of "
        "another domain; 0: none", range="[0, inf)")
    pair_contrast_weight: float = setting(
        0.0, help="weight of the InfoNCE loss of pairs, which needs a pairing; 0: none", range="[0, inf)")
    temperature: float = setting(0.1, help="temperature of the InfoNCE losses", range="(0, inf)")
    # Data.
    pairing: str = setting(
        "none", help="what the day and night images of a batch share; frame: the view; place: the label; "
        "none: nothing", choices=OrNone(PAIRINGS))
    batch_size: int = like(
        FitConfig, "batch_size", help="images of each domain per step, over all replicas")
    augmentation: str = setting(
        "none", help="how training images are changed; none: whole images, as in the original; crop: a "
        "random part", choices=AUGMENTATIONS)
    min_crop_area: float = like(FitConfig, "min_crop_area", 0.5)
    # Optimisation.
    learning_rate: float = like(FitConfig, "learning_rate", 1e-4)
    beta_1: float = setting(0.9, help="decay of Adam's mean of gradients", range="[0, 1)")
    schedule: str = setting(
        "plateau", help="how the learning rate falls; plateau: where the validation loss stops to fall, as "
        "in the original; cosine: to zero at the last step", choices=OrNone(SCHEDULES, "plateau"))
    plateau_epochs: int = setting(
        15, help="epochs without a better validation loss until the rate falls; 0: it never does",
        range="[0, inf)")
    plateau_factor: float = setting(
        0.1, help="factor by which the rate falls at a plateau", range="(0, 1)")
    mixed_precision: str = like(FitConfig, "mixed_precision", choices=PRECISIONS)
    # Bookkeeping.
    num_pictures: int = setting(
        4, help="images of each domain in the grids that TensorBoard shows", range="(0, inf)")

    def __post_init__(self):
        self.model_config()
        check_fields(self)
        if self.schedule in SCHEDULES:
            check_warmup(self.schedule, 0, self.num_steps)
        require(self.pair_contrast_weight == 0 or self.pairing in PAIRINGS,
                "`pair_contrast_weight` needs `pairing` frame or place.", pairing=self.pairing,
                pair_contrast_weight=self.pair_contrast_weight)
        if self.stem in BACKBONES:
            check_weights(self.stem, self.stem_weights, "stem_weights")
            require(self.stem_weights != "none" or self.stem_learning_rate_factor > 0,
                    "`stem_learning_rate_factor` must be positive for a stem that starts from nothing.",
                    stem_learning_rate_factor=self.stem_learning_rate_factor, stem_weights=self.stem_weights)

    def model_config(self) -> ModelConfig:
        """The model part of these settings."""
        return ModelConfig(**{field.name: getattr(self, field.name)
                              for field in dataclasses.fields(ModelConfig)})


# Small and short, for processors; chosen on procedural worlds.
_ADVERSARIAL = {"image_size": 64, "width": 0.125, "normalization": "instance", "up_normalization": "layer",
                "input_normalization": "local", "center_latent": True, "whiten_latent": True,
                "weigh_parts": True, "descriptor_grid": 8, "equal_start": True,
                "image_adversarial_weight": 1.0, "latent_adversarial_weight": 1.0,
                "translation_contrast_weight": 1.0, "relit_contrast_weight": 10.0, "batch_size": 16,
                "augmentation": "crop", "num_steps": 500, "steps_per_epoch": 100, "learning_rate": 1e-3,
                "beta_1": 0.5, "schedule": "cosine"}
PRESETS: dict[str, dict[str, Any]] = {  # fields whose values differ from the defaults
    "paper": {},
    "adversarial": _ADVERSARIAL,
    "paired": {**_ADVERSARIAL, "pair_contrast_weight": 1.0, "pairing": "frame"},
}


def preset(name: str, **changes: Any) -> TrainConfig:
    """The settings of a preset, with some of them changed.

    Args:
        name: paper (the original), adversarial or paired.
        changes: fields of TrainConfig; `train_pattern` and `model_dir` at least.

    Raises:
        ValueError: unknown name, or values that TrainConfig refuses.
    """
    require_member("preset", name, tuple(PRESETS))
    return TrainConfig(**{**PRESETS[name], **changes})
