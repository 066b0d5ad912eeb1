"""Settings of a DELG model."""

from __future__ import annotations

import dataclasses

from data_prep.stage.settings import check_fields, setting
from delg.settings.backbones import check_class_token, check_width, settle_stride
from delg.settings.kinds import BACKBONES, POOLINGS


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """What a DELG model is made of; with the weights, all that is needed to rebuild it.

    Source of the defaults: Cao et al., "Unifying Deep Local and Global Features for Image Search", ECCV 2020.
    """

    num_classes: int = setting(help="training classes, read from dataset.json", range="[1, inf)")
    backbone: str = setting("resnet50", help="network whose feature maps both heads stand on",
                            choices=BACKBONES)
    width: float = setting(
        1.0, help="channel multiplier; most backbones accept 1.0 only, resnet18 any")
    local_stride: int = setting(
        0, help="side of a cell of the local feature map: 16, or 32 as in the reference training; with "
        "dinov2 14 or 28; 0: the smaller of the two", unit="pixels")
    embedding_dim: int = setting(2048, help="dimensions of the global descriptor", range="(0, inf)")
    global_pooling: str = setting(
        "gem", help="how the map becomes one vector; regional_gem: each cell is first averaged with the "
        "generalised mean of those around it; cls: the class token of a Vision Transformer; cls_gem: that "
        "beside gem",
        choices=POOLINGS)
    class_token_share: float = setting(
        0.5, help="share of the class token in the cosine of two descriptors of cls_gem; chosen",
        range="[0, 1]")
    gem_power: float = setting(
        3.0, help="power of generalised mean pooling; DELG paper, section 3.1", range="(0, inf)")
    learn_gem_power: bool = setting(False, help="train the pooling power too, from gem_power on")
    num_subcenters: int = setting(
        1, help="directions per class in the classifier of the global descriptor, of which the nearest "
        "counts; Sub-center ArcFace, ECCV 2020, takes 3 where labels are noisy", range="[1, inf)")
    use_autoencoder: bool = setting(
        True, help="shorten local features by the autoencoder; else local descriptors are the cells of "
        "the map")
    autoencoder_dim: int = setting(
        128, help="dimensions of the local descriptor; DELG paper, section 3.2", range="(0, inf)")
    attention_dim: int = setting(512, help="hidden channels of the attention head", range="(0, inf)")
    attention_pool_scale: float = setting(
        1.0, help="multiplies the attention-pooled vector before its classifier", range="(0, inf)")

    def __post_init__(self):
        check_fields(self)
        settle_stride(self)
        check_class_token(self.global_pooling, self.backbone)
        check_width(self.width, self.backbone)
