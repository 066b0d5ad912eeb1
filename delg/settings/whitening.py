"""Settings of a learnt whitening."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class WhiteningConfig:
    """How a whitening is learnt. BUILD_NOTES.md says how the defaults were chosen."""

    dimension: int = 0  # of whitened descriptors, those of largest variance; 0: as many as before
    exponent: float = 0.5  # of 1 / deviation: 0 only centres and rotates, 1 whitens wholly
    shrinkage: float | None = None  # of variances towards their mean, in (0, 1]; unset: D / (D + images)
    num_training_images: int = 50_000  # drawn from the set where it holds more
    seed: int = 0  # of the draw

    def __post_init__(self):
        for name, holds, rule in (
                ("dimension", self.dimension >= 0, "not be negative"),
                ("exponent", 0 <= self.exponent <= 1, "be in [0, 1]"),
                ("shrinkage", self.shrinkage is None or 0 < self.shrinkage <= 1, "be in (0, 1]"),
                ("num_training_images", self.num_training_images >= 2, "be at least 2"),
                ("seed", self.seed >= 0, "not be negative")):
            if not holds:
                raise ValueError(f"`{name}` must {rule}. Received: {name}={getattr(self, name)}.")
