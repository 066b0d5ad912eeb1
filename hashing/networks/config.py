"""Settings of a hashing model."""

from __future__ import annotations

import dataclasses

from data_prep.stage.settings import check_fields, require, setting

BACKBONES_WITH_TOP = ("resnet18", "resnet50", "mobilenet_v2")  # with a local map, of stride 16
BACKBONES = (*BACKBONES_WITH_TOP, "vit_b32", "vit_b16")


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """What a hashing model is made of; with the weights, all that is needed to rebuild it."""

    backbone: str = setting("resnet18", help="network that the code layer stands on", choices=BACKBONES)
    width: float = setting(
        1.0, help="channel multiplier of resnet18; the other backbones accept 1.0 only")
    image_size: int = setting(224, help="side of the square images", unit="pixels", range="[32, inf)")
    code_size: int = setting(32, help="length of a code, a multiple of 8", unit="bits")
    code_batch_norm: bool = setting(False, help="batch normalisation before the tanh of the code layer")

    def __post_init__(self):
        check_fields(self)
        require(self.width > 0 and (self.width == 1 or self.backbone == "resnet18"),
                "`width` must be positive, and 1.0 for every backbone but resnet18.",
                width=self.width, backbone=self.backbone)
        require(self.code_size >= 8 and self.code_size % 8 == 0,
                "`code_size` must be a multiple of 8, at least 8.", code_size=self.code_size)
