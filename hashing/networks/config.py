"""Settings of a hashing model."""

from __future__ import annotations

import dataclasses

from data_prep.stage.settings import check_fields, require, setting
from delg.settings.backbones import check_width
from delg.settings.kinds import BACKBONES


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """What a hashing model is made of; with the weights, all that is needed to rebuild it."""

    backbone: str = setting("resnet18", help="network that the code layer stands on", choices=BACKBONES)
    width: float = setting(
        1.0, help="channel multiplier; most backbones accept 1.0 only, resnet18 any")
    image_size: int = setting(224, help="side of the square images", unit="pixels", range="[32, inf)")
    code_size: int = setting(32, help="length of a code, a multiple of 8", unit="bits")
    code_batch_norm: bool = setting(False, help="batch normalisation before the tanh of the code layer")

    def __post_init__(self):
        check_fields(self)
        check_width(self.width, self.backbone)
        require(self.code_size >= 8 and self.code_size % 8 == 0,
                "`code_size` must be a multiple of 8, at least 8.", code_size=self.code_size)
