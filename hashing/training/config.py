"""Settings of a training of codes, and presets."""

from __future__ import annotations

import dataclasses
from typing import Any

from data_prep.stage.settings import require, require_member
from delg.settings.training import PRECISIONS, STRATEGIES
from hashing.networks.config import BACKBONES_WITH_TOP, ModelConfig

MININGS = ("batch_all", "batch_hard", "semi_hard", "none")
SCHEDULES = ("inverse_sqrt", "linear", "cosine")
AUGMENTATIONS = ("original", "strong", "none")


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """One training run. The defaults are those of the published numbers (2019); `preset` gives others."""

    train_pattern: str  # glob of TFRecord shards
    model_dir: str
    validation_pattern: str = ""  # images kept from the training set: their retrieval mAP picks the weights
    # Model.
    backbone: str = ModelConfig.backbone
    width: float = ModelConfig.width
    backbone_weights: str = "imagenet"  # imagenet | none | path of a weight file
    image_size: int = ModelConfig.image_size
    code_size: int = ModelConfig.code_size
    code_batch_norm: bool = ModelConfig.code_batch_norm
    # Losses.
    mining: str = "batch_all"  # which triplets of a batch: batch_all | batch_hard | semi_hard | none
    triplet_weight: float = 1.0
    margin: float = 0.0  # of squared distances of codes; 0: margin_per_bit * code_size
    margin_per_bit: float = 0.25  # 1/4: the published 8 at 32 bits; 4 of distance are one bit
    active_only: bool = False  # batch_all: mean over triplets whose hinge is above 0
    mirrored: bool = False  # batch_all: both images of a pair serve as anchor
    order_aware: bool = False  # batch_all: triplets weigh what they do to a ranking
    center_weight: float = 0.0  # cross-entropy over cosines with one fixed code per class
    center_margin: float = 0.2  # taken from the true cosine
    center_scale: float = 8.0  # of the cosines
    classification_weight: float = 0.0  # cross-entropy of a linear classifier on the codes
    quantization_weight: float = 0.0  # distance of code values to -1 and 1
    balance_weight: float = 0.0  # each bit as often 1 as -1
    decorrelation_weight: float = 0.0  # covariance of different bits
    # Data.
    batch_size: int = 100  # images per step, over all replicas
    images_per_class: int = 0  # K images of each of batch_size / K classes; 0: any images
    augmentation: str = "original"  # original: crop, flip | strong: also turned, blurred, recoloured | none
    min_crop_area: float = 0.4  # of the crop of strong, share of the image
    # The last layers alone, before the other steps: on what the layers before them give, computed once.
    head_steps: int = 0  # of the code layer; 0: not at all
    head_learning_rate: float = 1e-3  # highest, falls along a cosine
    top_steps: int = 0  # then of all that lies behind the backbone's local map, at the backbone's share
    top_learning_rate: float = 1e-3  # highest, after a twentieth of the steps; falls along a cosine
    head_views: int = 4  # random views of each image that are computed
    max_head_views: int = 0  # of all images together; 0: two gigabytes of them
    # Optimisation.
    num_steps: int = 60_000  # of the whole network; 0: only the code layer is trained
    learning_rate: float = 1e-3  # of Adam
    beta_2: float = 0.98  # of Adam
    schedule: str = "inverse_sqrt"  # inverse_sqrt | linear | cosine, all after warm-up
    warmup_steps: int = 4000
    weight_decay: float = 0.0  # decoupled; not on biases or BatchNorm
    clip_norm: float = 0.0  # of all gradients together; 0: no clipping
    backbone_learning_rate_factor: float = 1.0  # 0 freezes the backbone
    freeze_batch_norm: bool = False  # BatchNorm of the backbone in inference mode, for small batches
    batch_norm_momentum: float = 0.0  # of the backbone's statistics; 0: as the backbone was published
    strategy: str = "one_device"
    mixed_precision: str = "float32"
    # Bookkeeping.
    steps_per_epoch: int = 1000  # steps between validations, checkpoints and logs
    backup_steps: int = 0  # steps between checkpoints for resuming; 0: at the end of each epoch
    seed: int = 0

    def __post_init__(self):
        self.model_config()
        for name, allowed in (("mining", MININGS), ("schedule", SCHEDULES), ("strategy", STRATEGIES),
                              ("augmentation", AUGMENTATIONS), ("mixed_precision", PRECISIONS)):
            require_member(name, getattr(self, name), allowed)
        for name in ("margin_per_bit", "center_scale", "batch_size", "learning_rate", "steps_per_epoch",
                     "head_views", "head_learning_rate", "top_learning_rate"):
            require(getattr(self, name) > 0, f"`{name}` must be positive.", **{name: getattr(self, name)})
        for name in ("triplet_weight", "margin", "center_weight", "center_margin", "classification_weight",
                     "quantization_weight", "balance_weight", "decorrelation_weight", "images_per_class",
                     "weight_decay", "clip_norm", "backbone_learning_rate_factor", "batch_norm_momentum",
                     "backup_steps", "head_steps", "top_steps", "max_head_views", "num_steps"):
            require(getattr(self, name) >= 0, f"`{name}` must not be negative.",
                    **{name: getattr(self, name)})
        require(0 < self.min_crop_area <= 1, "`min_crop_area` must be in (0, 1].",
                min_crop_area=self.min_crop_area)
        require(0 <= self.beta_2 < 1, "`beta_2` must be in [0, 1).", beta_2=self.beta_2)
        require(self.num_steps + self.head_steps + self.top_steps > 0,
                "One of `num_steps`, `head_steps` and `top_steps` must be above 0.",
                num_steps=self.num_steps, head_steps=self.head_steps, top_steps=self.top_steps)
        require(not self.top_steps or self.backbone in BACKBONES_WITH_TOP
                and self.backbone_learning_rate_factor > 0,
                "`top_steps` needs a backbone with a local map and `backbone_learning_rate_factor` above 0.",
                top_steps=self.top_steps, backbone=self.backbone,
                backbone_learning_rate_factor=self.backbone_learning_rate_factor)
        least = 1 if self.schedule == "inverse_sqrt" else 0
        require(self.warmup_steps >= least and (self.schedule == "inverse_sqrt" or self.num_steps == 0
                                                or self.warmup_steps < self.num_steps),
                f"`warmup_steps` must be at least {least}, and below `num_steps` where the rate falls to 0.",
                warmup_steps=self.warmup_steps, num_steps=self.num_steps, schedule=self.schedule)
        require(self.images_per_class == 0 or self.batch_size % self.images_per_class == 0,
                "`batch_size` must be a multiple of `images_per_class`.", batch_size=self.batch_size,
                images_per_class=self.images_per_class)
        require(self.images_per_class != 1 or self.mining == "none" or not self.triplet_weight,
                "`images_per_class` must be 0 or at least 2 for a batch to have triplets.",
                images_per_class=self.images_per_class, mining=self.mining)
        weights = (self.center_weight, self.classification_weight,
                   self.triplet_weight if self.mining != "none" else 0)
        require(any(weights), "One of `triplet_weight` (with `mining`), `center_weight` and "
                "`classification_weight` must be above 0.", mining=self.mining,
                triplet_weight=self.triplet_weight, center_weight=self.center_weight,
                classification_weight=self.classification_weight)

    def model_config(self) -> ModelConfig:
        """The model part of these settings."""
        return ModelConfig(**{field.name: getattr(self, field.name)
                              for field in dataclasses.fields(ModelConfig)})

PRESETS: dict[str, dict[str, Any]] = {  # fields whose values differ from the defaults
    # ResNet-18, inverse square root schedule: the published numbers. BatchNorm's statistics follow at the
    # rate of the original's framework, not at those of Keras' networks.
    "paper2019": {"batch_norm_momentum": 0.9},
    "paper2021": {"backbone": "vit_b32", "learning_rate": 1e-4, "beta_2": 0.999, "schedule": "linear",
                  "num_steps": 240_000, "warmup_steps": 48_000},  # AdamW, the last version
    # A margin of a quarter of the bits, the paper's is a sixteenth, and class centres hold classes apart;
    # measured with short trainings of the top of a backbone, not at the length that stands here.
    "best": {"code_batch_norm": True, "active_only": True, "mirrored": True, "center_weight": 0.5,
             "triplet_weight": 1.0, "margin_per_bit": 1.0, "quantization_weight": 0.1, "batch_size": 64,
             "images_per_class": 8, "augmentation": "strong", "head_steps": 400, "num_steps": 6000,
             "learning_rate": 1e-3, "beta_2": 0.999, "schedule": "cosine", "warmup_steps": 300,
             "weight_decay": 1e-2, "backbone_learning_rate_factor": 0.1, "freeze_batch_norm": True},
}


def preset(name: str, **changes: Any) -> TrainConfig:
    """The settings of a preset, with some of them changed.

    Args:
        name: paper2019, paper2021 or best.
        changes: fields of TrainConfig; `train_pattern` and `model_dir` at least.

    Raises:
        ValueError: unknown name, or values that TrainConfig refuses.
    """
    require_member("preset", name, tuple(PRESETS))
    return TrainConfig(**{**PRESETS[name], **changes})
