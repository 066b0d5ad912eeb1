"""Settings of a model with nothing trained."""

from __future__ import annotations

import dataclasses

from data_prep.stage.settings import check_fields, like, setting
from delg.settings.backbones import check_class_token, settle_stride
from delg.settings.kinds import BACKBONES
from delg.settings.model import ModelConfig


@dataclasses.dataclass(frozen=True)
class UntrainedConfig:
    """What is made of a pretrained backbone without training."""

    backbone: str = like(ModelConfig, "backbone", "efficientnet_lite2", choices=BACKBONES)
    local_stride: int = like(ModelConfig, "local_stride")
    global_pooling: str = like(ModelConfig, "global_pooling")
    class_token_share: float = like(ModelConfig, "class_token_share")
    gem_power: float = like(ModelConfig, "gem_power")
    local_dim: int = setting(128, help="dimensions of the local descriptor", range="(0, inf)")

    def __post_init__(self):
        check_fields(self)
        settle_stride(self)
        check_class_token(self.global_pooling, self.backbone)
