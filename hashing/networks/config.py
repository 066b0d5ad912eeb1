"""Settings of a hashing model."""

from __future__ import annotations

import dataclasses

from data_prep.stage.settings import require, require_member

BACKBONES_WITH_TOP = ("resnet18", "resnet50", "mobilenet_v2")  # with a local map, of stride 16
BACKBONES = (*BACKBONES_WITH_TOP, "vit_b32", "vit_b16")


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """What a hashing model is made of; with the weights, all that is needed to rebuild it."""

    backbone: str = "resnet18"
    width: float = 1.0  # channel multiplier of resnet18; the other backbones accept 1.0 only
    image_size: int = 224  # pixels, square
    code_size: int = 32  # bits, a multiple of 8
    code_batch_norm: bool = False  # batch normalisation before the tanh of the code layer

    def __post_init__(self):
        require_member("backbone", self.backbone, BACKBONES)
        require(self.width > 0 and (self.width == 1 or self.backbone == "resnet18"),
                "`width` must be positive, and 1.0 for every backbone but resnet18.",
                width=self.width, backbone=self.backbone)
        require(self.code_size >= 8 and self.code_size % 8 == 0,
                "`code_size` must be a multiple of 8, at least 8.", code_size=self.code_size)
        require(self.image_size >= 32, "`image_size` must be at least 32.", image_size=self.image_size)
