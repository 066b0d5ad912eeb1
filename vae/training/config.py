"""Settings of a training of the VAE, and presets."""

from __future__ import annotations

import dataclasses
from typing import Any

from data_prep.stage.settings import require, require_member
from delg.settings.training import STRATEGIES
from vae.networks.config import ModelConfig

AUGMENTATIONS = ("none", "crop")
PRECISIONS = ("float32", "bfloat16")  # float16 would need its two losses scaled
SCHEDULES = ("plateau", "cosine")
PAIRINGS = ("none", "frame", "place")


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """One training run. The defaults are the original's; `preset` gives others."""

    train_pattern: str  # glob of TFRecord shards of images with a domain
    model_dir: str
    validation_pattern: str = ""  # images of other places: losses, the learning rate and the best weights
    # Model.
    image_size: int = ModelConfig.image_size
    width: float = ModelConfig.width
    normalization: str = ModelConfig.normalization
    up_normalization: str = ModelConfig.up_normalization
    learn_variance: bool = ModelConfig.learn_variance
    center_latent: bool = ModelConfig.center_latent
    descriptor_grid: int = ModelConfig.descriptor_grid
    stem: str = ModelConfig.stem
    stem_width: float = ModelConfig.stem_width
    stem_weights: str = "imagenet"  # that the stem starts from: imagenet, none or the path of a weight file
    stem_learning_rate_factor: float = 0.0  # of the stem's steps; 0: its weights stay
    # Weights of the losses.
    reconstruction_weight: float = 10.0  # mean absolute difference of an image and its reconstruction
    kl_weight: float = 0.01  # of the posterior of images
    cycle_weight: float = 10.0  # mean absolute difference of an image and its translation translated back
    cycle_kl_weight: float = 0.01  # of the posterior of translations
    image_adversarial_weight: float = 0.0  # translations against discriminators of each domain; 0: none
    latent_adversarial_weight: float = 0.0  # a domain classifier on the latent, gradient reversed; 0: none
    translation_contrast_weight: float = 0.0  # InfoNCE of an image and its relit translation
    pair_contrast_weight: float = 0.0  # InfoNCE of pairs; needs a pairing; 0: none
    temperature: float = 0.1  # of both InfoNCE terms
    # Data.
    pairing: str = "none"  # of a batch's images: none | frame (the same view) | place (the same label)
    batch_size: int = 32  # images of each domain per step, over all replicas
    augmentation: str = "none"  # none: whole images, as in the original | crop: a random part
    min_crop_area: float = 0.5  # of the random part, share of the image
    # Optimisation.
    num_steps: int = 100_000
    learning_rate: float = 1e-4  # of Adam
    beta_1: float = 0.9  # of Adam
    schedule: str = "plateau"  # of the rate: plateau, as in the original | cosine to zero at the last step
    clip_norm: float = 0.0  # of all gradients together; 0: no clipping
    plateau_epochs: int = 15  # without a better validation loss until the rate falls; 0: it never does
    plateau_factor: float = 0.1  # by which it falls
    strategy: str = "one_device"
    mixed_precision: str = "float32"
    # Bookkeeping.
    steps_per_epoch: int = 1000  # steps between validations, checkpoints, logs and pictures
    backup_steps: int = 0  # steps between checkpoints for resuming; 0: at the end of each epoch
    num_pictures: int = 4  # images of each domain in TensorBoard's grids
    seed: int = 0

    def __post_init__(self):
        self.model_config()
        for name, allowed in (("pairing", PAIRINGS), ("schedule", SCHEDULES), ("augmentation", AUGMENTATIONS),
                              ("strategy", STRATEGIES), ("mixed_precision", PRECISIONS)):
            require_member(name, getattr(self, name), allowed)
        for name in ("temperature", "batch_size", "num_steps", "learning_rate", "steps_per_epoch",
                     "num_pictures"):
            require(getattr(self, name) > 0, f"`{name}` must be positive.", **{name: getattr(self, name)})
        for name in ("reconstruction_weight", "kl_weight", "cycle_weight", "cycle_kl_weight",
                     "image_adversarial_weight", "latent_adversarial_weight", "translation_contrast_weight",
                     "pair_contrast_weight", "clip_norm", "plateau_epochs", "backup_steps",
                     "stem_learning_rate_factor"):
            require(getattr(self, name) >= 0, f"`{name}` must not be negative.",
                    **{name: getattr(self, name)})
        require(0 <= self.beta_1 < 1, "`beta_1` must be in [0, 1).", beta_1=self.beta_1)
        require(0 < self.plateau_factor < 1, "`plateau_factor` must be between 0 and 1.",
                plateau_factor=self.plateau_factor)
        require(0 < self.min_crop_area <= 1, "`min_crop_area` must be in (0, 1].",
                min_crop_area=self.min_crop_area)
        require(self.pair_contrast_weight == 0 or self.pairing != "none",
                "`pair_contrast_weight` needs `pairing` frame or place.", pairing=self.pairing,
                pair_contrast_weight=self.pair_contrast_weight)
        require(self.stem != "resnet18" or self.stem_weights != "imagenet",
                "`stem_weights` of resnet18 must be none or a weight file, since Keras publishes none.",
                stem_weights=self.stem_weights)
        require(self.stem == "none" or self.stem_weights != "none" or self.stem_learning_rate_factor > 0,
                "`stem_learning_rate_factor` must be positive for a stem that starts from nothing.",
                stem_learning_rate_factor=self.stem_learning_rate_factor, stem_weights=self.stem_weights)

    def model_config(self) -> ModelConfig:
        """The model part of these settings."""
        return ModelConfig(**{field.name: getattr(self, field.name)
                              for field in dataclasses.fields(ModelConfig)})

_ADVERSARIAL = {"image_size": 64, "width": 0.125, "normalization": "instance", "up_normalization": "layer",
                "center_latent": True, "descriptor_grid": 8,
                "image_adversarial_weight": 1.0, "latent_adversarial_weight": 1.0,
                "translation_contrast_weight": 1.0, "batch_size": 16, "augmentation": "crop",
                "num_steps": 500, "steps_per_epoch": 100, "learning_rate": 1e-3, "beta_1": 0.5,
                "schedule": "cosine"}  # small and short, for processors; chosen on a procedural world
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
