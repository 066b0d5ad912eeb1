"""Settings of a learnt whitening."""

from __future__ import annotations

import dataclasses

from data_prep.stage.settings import check_fields, require, setting


@dataclasses.dataclass(frozen=True)
class WhiteningConfig:
    """How a whitening is learnt. docs/measurements/features.md says how the defaults were chosen."""

    dimension: int = setting(
        0, help="dimensions of whitened descriptors, those of largest variance; 0: as many as before",
        range="[0, inf)")
    exponent: float = setting(
        0.5, help="exponent of 1 / deviation: 0 only centres and rotates, 1 whitens wholly", range="[0, 1]")
    shrinkage: float | None = setting(
        None, help="how far variances move towards their mean; unset: D / (D + images), with train_pattern "
        "0.8", range="(0, 1]")
    train_pattern: str = setting(
        "", help="glob of TFRecord shards that say what landmark each image is of: directions in which "
        "images of one landmark differ then count less, and all others stay; empty: learnt without labels")
    num_directions: int = setting(
        32, help="for train_pattern: directions that count less, those in which they differ most",
        range="[1, inf)")
    num_training_images: int = setting(
        50_000, help="images learnt from, drawn from the set where it holds more", range="[2, inf)")
    seed: int = setting(0, help="seed of the draw of these images", range="[0, inf)")

    def __post_init__(self):
        check_fields(self)
        require(not self.train_pattern or not self.dimension and self.exponent == 0.5,
                "`dimension` and `exponent` must be left alone where `train_pattern` is given.",
                dimension=self.dimension, exponent=self.exponent)
