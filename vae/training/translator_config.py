"""Settings of the training of translators that keep details."""

from __future__ import annotations

import dataclasses

from data_prep.stage.settings import check_fields, like, require, setting
from delg.settings.backbones import check_width
from delg.settings.fitting import BackboneFitConfig, FitConfig
from delg.settings.kinds import BACKBONES
from delg.settings.model import ModelConfig
from vae.networks.config import TRANSLATOR_STRIDE


@dataclasses.dataclass(frozen=True)
class TranslatorConfig:
    """One training, of both directions."""

    train_pattern: str = like(
        FitConfig, "train_pattern", help="glob of TFRecord shards of dataset=day_night whose pairs are "
        "aligned to the pixel, as of a camera that stands still")
    export_dir: str = setting(help="folder of the SavedModel, made here", written=True)
    backbone: str = like(
        ModelConfig, "backbone", "efficientnet_lite2", help="network whose maps of a translation are to be "
        "those of the true view: that of the model which is to describe translations")
    width: float = like(ModelConfig, "width")
    backbone_weights: str = like(BackboneFitConfig, "backbone_weights", "package")
    image_size: int = setting(
        224, help="side that photographs are made, square", unit="pixels", range="[32, inf)")
    crop_size: int = setting(
        128, help="side of the parts of them that are learnt from, a multiple of 16", unit="pixels",
        range="[16, inf)")
    batch_size: int = like(FitConfig, "batch_size", 8)
    num_steps: int = like(FitConfig, "num_steps", 250, help="steps of each direction")
    learning_rate: float = like(
        FitConfig, "learning_rate", 2e-3, help="highest learning rate of Adam, which falls along a cosine")
    seed: int = like(FitConfig, "seed", help="seed of the first weights and of the parts that are "
                     "learnt from")

    def __post_init__(self):
        check_fields(self)
        require(self.crop_size % TRANSLATOR_STRIDE == 0 and self.crop_size <= self.image_size,
                f"`crop_size` must be a multiple of {TRANSLATOR_STRIDE}, at most `image_size`.",
                crop_size=self.crop_size, image_size=self.image_size)
        check_width(self.width, self.backbone)
        maps = BACKBONES[self.backbone].maps
        require(maps is not None and maps.deep is not None, "`backbone` must give a local and a global map.",
                backbone=self.backbone)
