"""Settings of a DELG model."""

from __future__ import annotations

import dataclasses

from data_prep.stage.settings import require, require_member

BACKBONES = ("resnet50", "resnet101", "mobilenet_v2", "resnet18")


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """What a DELG model is made of; with the weights, all that is needed to rebuild it."""

    num_classes: int  # training classes, read from dataset.json
    backbone: str = "resnet50"
    width: float = 1.0  # channel multiplier of resnet18; the other backbones accept 1.0 only
    local_stride: int = 16  # pixels per cell of the local map: 16, or 32 as in the reference training
    embedding_dim: int = 2048  # global descriptor
    gem_power: float = 3.0  # DELG paper, section 3.1
    learn_gem_power: bool = False
    use_autoencoder: bool = True
    autoencoder_dim: int = 128  # local descriptor; DELG paper, section 3.2
    attention_dim: int = 512  # hidden channels of the attention head
    attention_pool_scale: float = 1.0  # multiplies the attention-pooled vector before its classifier

    def __post_init__(self):
        require(self.num_classes >= 1, "`num_classes` must be at least 1.", num_classes=self.num_classes)
        require_member("backbone", self.backbone, BACKBONES)
        require(self.width > 0 and (self.width == 1 or self.backbone == "resnet18"),
                "`width` must be positive, and 1.0 for every backbone but resnet18.",
                width=self.width, backbone=self.backbone)
        require(self.local_stride in (16, 32), "`local_stride` must be 16 or 32.",
                local_stride=self.local_stride)
        for name in ("embedding_dim", "autoencoder_dim", "attention_dim", "gem_power",
                     "attention_pool_scale"):
            require(getattr(self, name) > 0, f"`{name}` must be positive.", **{name: getattr(self, name)})
