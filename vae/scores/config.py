"""Settings of the comparison of ways to describe images."""

from __future__ import annotations

import dataclasses

from data_prep.stage.settings import check_fields, setting


@dataclasses.dataclass(frozen=True)
class MethodsConfig:
    """Files of the methods; those without a file are absent, raw pixels need none."""

    paper_model: str = setting("", help="model_dir of vae.train with the original's settings; empty: none")
    adversarial_model: str = setting(
        "", help="model_dir of vae.train with the mended settings; empty: none")
    channel_weights: str = setting(
        "", help="file of vae.train_channel_weights for the mended model; empty: none")
    imagenet_weights: str = setting(
        "", help="weight file of MobileNetV2 without its top, or package: EfficientNet-Lite2 with weights of "
        "the package index; used where vgg16_weights is not given")
    vgg16_weights: str = setting("", help="weight file of VGG-16 without its top; empty: none")
    delg_saved_model: str = setting("", help="SavedModel of delg.export_model; empty: none")
    translator: str = setting(
        "", help="SavedModel of vae.export_model, by which photographs are translated for methods that know "
        "no domains describe them; empty: none")

    def __post_init__(self):
        check_fields(self)
