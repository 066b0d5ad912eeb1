"""Settings of a training of codes, and presets."""

from __future__ import annotations

import dataclasses
from typing import Any

from data_prep.stage.settings import check_fields, like, require, require_member, setting
from data_prep.stage.table import OrNone, Table
from delg.settings.fitting import BackboneFitConfig, FitConfig, check_warmup
from delg.settings.kinds import BACKBONES, SCHEDULES
from hashing.networks.config import ModelConfig

MININGS = Table("mining", {  # losses: labels, codes, margin, settings to the triplet loss of a batch
    "batch_all": "hashing.training.losses.minings:batch_all",
    "batch_hard": "hashing.training.losses.minings:batch_hard",
    "semi_hard": "hashing.training.losses.minings:semi_hard",
})
CENTER_LOSSES = Table("center loss", {  # of labels, values before tanh, codes of classes, settings
    "cosine": "hashing.training.losses.center_losses:cosine",
    "orthohash": "hashing.training.losses.center_losses:orthohash",
    "csq": "hashing.training.losses.center_losses:central_similarity",
})
CENTER_CODES = Table("codes of classes", {  # of the number of classes, the lengths, a seed
    "hadamard": "hashing.training.losses.centers:nested_centers",
    "bernoulli": "hashing.training.losses.centers:bernoulli_centers",
})
QUANTIZATIONS = Table("quantization", {  # of codes
    "squared": "hashing.training.losses.code_losses:quantization_loss",
    "log_cosh": "hashing.training.losses.code_losses:log_cosh_quantization_loss",
})
AUGMENTATIONS = Table("augmentation", {  # records: hashing.training.augmentations.CodeAugmentation
    "original": "hashing.training.augmentations:ORIGINAL",
    "strong": "hashing.training.augmentations:STRONG",
    "none": "hashing.training.augmentations:NONE",
})


@dataclasses.dataclass(frozen=True)
class TrainConfig(BackboneFitConfig):
    """One training run. The defaults are those of the published numbers (2019); `preset` gives others."""

    validation_pattern: str = like(
        FitConfig, "validation_pattern", help="glob of shards kept from the training set, whose retrieval "
        "mAP picks the best weights; empty: the last are the best")
    # Model.
    backbone: str = like(ModelConfig, "backbone")
    width: float = like(ModelConfig, "width")
    image_size: int = like(ModelConfig, "image_size")
    code_size: int = like(ModelConfig, "code_size")
    code_batch_norm: bool = like(ModelConfig, "code_batch_norm")
    prefix_sizes: tuple[int, ...] = like(ModelConfig, "prefix_sizes")
    # Losses.
    mining: str = setting(
        "batch_all", help="which triplets of a batch the triplet loss takes; none: no triplet loss",
        choices=OrNone(MININGS))
    triplet_weight: float = setting(1.0, help="weight of the triplet loss of codes", range="[0, inf)")
    margin: float = setting(
        0.0, help="margin of squared distances of whole codes in the triplet loss, of shorter ones its "
        "share; 0: margin_per_bit * code_size",
        range="[0, inf)")
    margin_per_bit: float = setting(
        0.25, help="margin for each bit of a code; 1/4: the published 8 at 32 bits; 4 of distance are one "
        "bit",
        range="(0, inf)")
    active_only: bool = setting(
        False, help="batch_all: mean over the triplets whose hinge is above 0, not over all")
    mirrored: bool = setting(False, help="batch_all: both images of a pair serve as anchor")
    order_aware: bool = setting(False, help="batch_all: triplets weigh what they do to a ranking")
    center_weight: float = setting(
        0.0, help="weight of the loss that draws codes to one fixed code per class; 0: none",
        range="[0, inf)")
    center_loss: str = setting(
        "cosine", help="that loss; cosine: cross-entropy over the cosines of codes with the codes of all "
        "classes; orthohash: the same before tanh; csq: cross-entropy of each bit", choices=CENTER_LOSSES)
    center_codes: str = setting(
        "hadamard", help="codes of classes; hadamard: rows of a Hadamard matrix, then codes far from the "
        "others; bernoulli: any bits", choices=CENTER_CODES)
    center_margin: float = setting(
        0.2, help="cosine, orthohash: margin taken from the cosine with the true centre", range="[0, inf)")
    center_scale: float = setting(
        8.0, help="cosine, orthohash: scale of the cosines with the centres, before their softmax",
        range="(0, inf)")
    classification_weight: float = setting(
        0.0, help="weight of the cross-entropy of a linear classifier on the whole codes; 0: none",
        range="[0, inf)")
    quantization_weight: float = setting(
        0.0, help="weight of the distance of code values to -1 and 1; 0: none", range="[0, inf)")
    quantization: str = setting(
        "squared", help="what is taken of that distance", choices=QUANTIZATIONS)
    balance_weight: float = setting(
        0.0, help="weight of a loss that wants each bit as often 1 as -1; 0: none", range="[0, inf)")
    decorrelation_weight: float = setting(
        0.0, help="weight of the covariance of different bits; 0: none", range="[0, inf)")
    reconstruction_weight: float = setting(
        0.0, help="weight of what a linear layer on the whole codes before tanh lacks of the features; 0: "
        "none", range="[0, inf)")
    asymmetric_weight: float = setting(
        0.0, help="last layers alone: weight of the distance of code products to the similarities of "
        "classes, of codes of the network with codes of stored views that are solved for; 0: none",
        range="[0, inf)")
    database_steps: int = setting(
        20, help="steps after which these codes are solved for anew", range="(0, inf)")
    database_gamma: float = setting(
        200.0, help="weight of the distance of a view's two codes, in both", range="[0, inf)")
    # Data.
    batch_size: int = like(FitConfig, "batch_size", 100)
    images_per_class: int = setting(
        0, help="images of each of batch_size / images_per_class classes in a batch; 0: any images",
        range="[0, inf)")
    augmentation: str = setting(
        "original", help="how training images are changed; original: crop and flip; strong: also turned, "
        "blurred, recoloured", choices=AUGMENTATIONS)
    min_crop_area: float = like(FitConfig, "min_crop_area", 0.4,
                                help="smallest part of an image that the crop of strong may keep, as a share "
                                "of its area")
    # The last layers alone, before the other steps: on what the layers before them give, computed once.
    head_steps: int = setting(
        0, help="steps of the code layer alone, before all others; 0: none", range="[0, inf)")
    head_learning_rate: float = setting(
        1e-3, help="highest learning rate of these steps, which falls along a cosine", range="(0, inf)")
    top_steps: int = setting(
        0, help="then steps of all that lies behind the backbone's local map, at the backbone's share of the "
        "rate; 0: none", range="[0, inf)")
    top_learning_rate: float = setting(
        1e-3, help="highest learning rate of these steps, after a twentieth of them; falls along a cosine",
        range="(0, inf)")
    top_share: float = setting(
        1.0, help="share of what these steps change in the backbone that is kept, by mean weights; the less, "
        "the more it still knows of classes it was not trained on", range="(0, 1]")
    settle_steps: int = setting(
        0, help="steps of the code layer alone, after all others: it begins anew as ITQ of the trained "
        "features, and cosines with class centres are all it learns by; 0: none", range="[0, inf)")
    settle_learning_rate: float = setting(
        5e-4, help="highest learning rate of these steps, which falls along a cosine: the higher, the "
        "farther from ITQ", range="(0, inf)")
    head_views: int = setting(
        4, help="random views of each image that the last layers are trained on", range="(0, inf)")
    max_head_views: int = setting(
        0, help="views of all images together, at most; 0: two gigabytes of them", range="[0, inf)")
    # Optimisation.
    num_steps: int = like(FitConfig, "num_steps", 60_000, range="[0, inf)",
                          help="steps of the whole network; 0: only the code layer is trained")
    beta_2: float = setting(0.98, help="decay of Adam's mean of squared gradients", range="[0, 1)")
    schedule: str = setting(
        "inverse_sqrt", help="how the learning rate falls after the warm-up", choices=SCHEDULES)
    warmup_steps: int = like(BackboneFitConfig, "warmup_steps", 4000)
    batch_norm_momentum: float = setting(
        0.0, help="momentum of the backbone's running statistics; 0: as the backbone was published",
        range="[0, inf)")

    def __post_init__(self):
        self.model_config()
        check_fields(self)
        require(self.num_steps + self.head_steps + self.top_steps > 0,
                "One of `num_steps`, `head_steps` and `top_steps` must be above 0.",
                num_steps=self.num_steps, head_steps=self.head_steps, top_steps=self.top_steps)
        require(not self.top_steps or BACKBONES[self.backbone].has_top
                and self.backbone_learning_rate_factor > 0,
                "`top_steps` needs a backbone with layers behind its local map, which Vision Transformers do "
                "not have, and `backbone_learning_rate_factor` above 0.",
                top_steps=self.top_steps, backbone=self.backbone,
                backbone_learning_rate_factor=self.backbone_learning_rate_factor)
        require(not self.settle_steps or self.center_weight > 0,
                "`settle_steps` need `center_weight` above 0.", settle_steps=self.settle_steps,
                center_weight=self.center_weight)
        require(self.top_share == 1 or self.top_steps and self.settle_steps and not self.num_steps,
                "`top_share` below 1 needs `top_steps` and `settle_steps` above 0, for codes to follow, and "
                "`num_steps` of 0.", top_share=self.top_share, top_steps=self.top_steps,
                settle_steps=self.settle_steps, num_steps=self.num_steps)
        check_warmup(self.schedule, self.warmup_steps, self.num_steps)
        require(self.images_per_class == 0 or self.batch_size % self.images_per_class == 0,
                "`batch_size` must be a multiple of `images_per_class`.", batch_size=self.batch_size,
                images_per_class=self.images_per_class)
        require(self.images_per_class != 1 or self.mining not in MININGS or not self.triplet_weight,
                "`images_per_class` must be 0 or at least 2 for a batch to have triplets.",
                images_per_class=self.images_per_class, mining=self.mining)
        weights = (self.center_weight, self.classification_weight, self.asymmetric_weight,
                   self.triplet_weight if self.mining in MININGS else 0)
        require(any(weights), "One of `triplet_weight` (with `mining`), `center_weight`, "
                "`classification_weight` and `asymmetric_weight` must be above 0.", mining=self.mining,
                triplet_weight=self.triplet_weight, center_weight=self.center_weight,
                classification_weight=self.classification_weight, asymmetric_weight=self.asymmetric_weight)

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
    # https://arxiv.org/abs/2109.14449: codes of tossed bits, scale 8, margin 0.2, Adam at 1e-4, a tenth of it
    # for the backbone, decay 5e-4, batches of 256, as its published program has them; 100 rounds of CUB. The
    # rate falls once there, to a tenth after four fifths of the rounds.
    "orthohash": {"code_batch_norm": True, "mining": "none", "center_weight": 1.0, "center_loss": "orthohash",
                  "center_codes": "bernoulli", "batch_size": 256, "learning_rate": 1e-4, "beta_2": 0.999,
                  "schedule": "cosine", "num_steps": 2400, "warmup_steps": 0, "weight_decay": 5e-4,
                  "backbone_learning_rate_factor": 0.1},
    # https://arxiv.org/abs/1908.00347: codes of a Hadamard matrix; the weight of quantization and the rate of
    # its published commands; batch and length chosen, some 130 rounds of CUB.
    "csq": {"mining": "none", "center_weight": 1.0, "center_loss": "csq", "quantization": "log_cosh",
            "quantization_weight": 1e-3, "batch_size": 64, "learning_rate": 1e-4, "beta_2": 0.999,
            "schedule": "cosine", "num_steps": 12_000, "warmup_steps": 0},
    # https://arxiv.org/abs/1707.08325 (ADSH) and A2-Net, NeurIPS 2021, without its attention: gamma 200 is
    # theirs, and that the codes are to give back the features and to differ bit by bit; the rest is chosen.
    "asymmetric": {"mining": "none", "asymmetric_weight": 1.0, "reconstruction_weight": 0.01,
                   "decorrelation_weight": 0.01, "batch_size": 64, "images_per_class": 8, "num_steps": 0,
                   "head_steps": 400, "top_steps": 200, "beta_2": 0.999, "schedule": "cosine",
                   "warmup_steps": 0, "freeze_batch_norm": True},
    # Codes of classes bit by bit, then the code layer anew from ITQ, at a rate that keeps it near; measured
    # with short trainings of the top of a backbone, not at the length that stands here.
    "best": {"code_batch_norm": True, "prefix_sizes": (16, 32, 48), "mining": "none", "center_weight": 1.0,
             "center_loss": "csq", "batch_size": 64, "images_per_class": 8, "augmentation": "strong",
             "head_steps": 400, "settle_steps": 400, "settle_learning_rate": 2e-4, "num_steps": 6000,
             "learning_rate": 1e-3, "beta_2": 0.999, "schedule": "cosine", "warmup_steps": 300,
             "weight_decay": 1e-2, "backbone_learning_rate_factor": 0.1, "freeze_batch_norm": True},
}
# The losses and steps of best on other networks, at the side of images that their weights or the published
# tables are of. Transformers have no top to train apart; they learn at a hundredth of the rate of the code
# layer. Chosen, not measured.
_TRANSFORMER = {**PRESETS["best"], "image_size": 224, "top_steps": 0, "backbone_learning_rate_factor": 0.01}
PRESETS |= {
    "best_lite2": {**PRESETS["best"], "backbone": "efficientnet_lite2", "backbone_weights": "package",
                   "image_size": 260},
    "best_vit": {**_TRANSFORMER, "backbone": "vit_b16"},
    "best_dinov2": {**_TRANSFORMER, "backbone": "dinov2_vits14"},
}


def check_asymmetric(config: TrainConfig) -> None:
    """Checks that asymmetric training is of the last layers alone; their own steps do not tell.

    Raises:
        ValueError: it is of the whole network.
    """
    require(not config.asymmetric_weight or not config.num_steps,
            "`asymmetric_weight` needs `num_steps` of 0: it is for the last layers, of stored views.",
            asymmetric_weight=config.asymmetric_weight, num_steps=config.num_steps)


def preset(name: str, **changes: Any) -> TrainConfig:
    """The settings of a preset, with some of them changed.

    Args:
        name: of PRESETS.
        changes: fields of TrainConfig; `train_pattern` and `model_dir` at least.

    Raises:
        ValueError: unknown name, or values that TrainConfig refuses.
    """
    require_member("preset", name, tuple(PRESETS))
    return TrainConfig(**{**PRESETS[name], **changes})
