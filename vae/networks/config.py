"""Settings of a double VAE."""

from __future__ import annotations

import dataclasses

from data_prep.stage.settings import check_fields, require, setting
from data_prep.stage.table import OrNone, Table
from delg.settings.backbones import check_stem
from delg.settings.kinds import BACKBONES

DOMAINS = ("day", "night")
TRANSLATOR_STRIDE = 16  # pixels, of which sides are multiples in a translator that keeps details
NORMALIZATIONS = Table("normalization", {  # functions that make a layer
    "instance": "vae.networks.layers:instance_normalization",
})
UP_NORMALIZATIONS = Table("normalization", {
    "batch": "vae.networks.layers:batch_normalization",
    "instance": "vae.networks.layers:instance_normalization",
    "layer": "vae.networks.layers:layer_normalization",
})

INPUT_NORMALIZATIONS = Table("input_normalization", {  # layers
    "local": "vae.networks.layers:LocalContrast",
})


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """What a double VAE is made of; with the weights, all that is needed to rebuild it."""

    image_size: int = setting(256, help="side of the square images, a multiple of the stride", unit="pixels")
    width: float = setting(1.0, help="channel multiplier; 1 has 64, 128 and 256 channels")
    normalization: str = setting(
        "none", help="normalisation of encoders and residual blocks; none: as in the original",
        choices=OrNone(NORMALIZATIONS))
    up_normalization: str = setting(
        "batch", help="normalisation of the upsampling stages; batch: as in the original",
        choices=UP_NORMALIZATIONS)
    input_normalization: str = setting(
        "none", help="what encoders without a stem see; local: contrast around each pixel; none: the image, "
        "as in the original", choices=OrNone(INPUT_NORMALIZATIONS))
    learn_variance: bool = setting(
        False, help="learn the variance of the posterior; else it is one, as in the original")
    center_latent: bool = setting(
        False, help="compare latents less the mean latent of their domain, by position")
    whiten_latent: bool = setting(
        False, help="compare latents whose channels are decorrelated, over training images of both domains; "
        "needs `center_latent`")
    weigh_parts: bool = setting(
        False, help="compare latents whose parts weigh by how well they agree in training images that find "
        "each other across the domains; needs `center_latent`")
    descriptor_grid: int = setting(
        1, help="parts along each side of the image, over which the descriptor pools the latent",
        range="[1, inf)")
    stem: str = setting(
        "none", help="network in place of the encoders' first convolutions; none: as in the original",
        choices=OrNone(BACKBONES))
    stem_width: float = setting(
        1.0, help="channel multiplier of the stem; most accept 1.0 only, resnet18 any")

    @property
    def stride(self) -> int:
        """Pixels per cell of the latent."""
        return 16 if self.stem in BACKBONES else 4

    def __post_init__(self):
        check_fields(self)
        require(self.image_size >= 2 * self.stride and self.image_size % self.stride == 0,
                f"`image_size` must be a multiple of {self.stride}, at least {2 * self.stride}.",
                image_size=self.image_size, stem=self.stem)
        require(self.width >= 1 / 64, "`width` must be at least 1/64.", width=self.width)
        for name in ("whiten_latent", "weigh_parts"):
            require(self.center_latent or not getattr(self, name), f"`{name}` needs `center_latent`.",
                    **{name: getattr(self, name)}, center_latent=self.center_latent)
        if self.stem in BACKBONES or self.stem_width != 1:
            check_stem(self.stem, self.stem_width)
        require(self.stem not in BACKBONES or self.normalization not in NORMALIZATIONS
                or self.descriptor_grid > 1,
                "`descriptor_grid` must be at least 2 for a stem with `normalization` instance, after which "
                "whole maps have equal means.", descriptor_grid=self.descriptor_grid, stem=self.stem)
