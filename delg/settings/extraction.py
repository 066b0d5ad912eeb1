"""Settings of the extraction of features."""

from __future__ import annotations

import dataclasses

from data_prep.stage.settings import require, require_member

EXTRACT_PRECISIONS = ("auto", "float32", "bfloat16")
LOCAL_DTYPES = ("float32", "float16", "int8", "binary")  # the finest first


@dataclasses.dataclass(frozen=True)
class ExtractConfig:
    """How features are taken from images. Defaults: DELG paper, section 4.1, and its released settings."""

    max_image_size: int = 1024  # pixels, longer side; larger images are shrunk first; 0: never
    global_scales: tuple[float, ...] = (2**-0.5, 1.0, 2**0.5)  # empty: local only
    local_scales: tuple[float, ...] = (0.25, 2**-1.5, 0.5, 2**-0.5, 1.0, 2**0.5, 2.0)  # empty: global only
    max_num_features: int = 1000  # local features kept per image
    score_threshold: float | None = None  # attention score; None: the threshold the model learnt
    local_dtype: str = "float16"  # of stored local descriptors
    whitening: str = ""  # file of delg.fit_whitening, for global descriptors; empty: none
    batch_size: int = 8  # images of one size that are computed together; of large images fewer
    precision: str = "auto"  # auto: bfloat16 where the processor has it and the model's features bear it
    max_bad_fraction: float = 0.05  # of all images; more bad ones stop the job

    def __post_init__(self):
        require_member("local_dtype", self.local_dtype, LOCAL_DTYPES)
        require_member("precision", self.precision, EXTRACT_PRECISIONS)
        for name in ("global_scales", "local_scales"):
            scales = getattr(self, name)
            require(all(scale > 0 for scale in scales), f"`{name}` must be positive.", **{name: scales})
        require(len(self.global_scales) + len(self.local_scales) > 0,
                "`global_scales` and `local_scales` must not both be empty.",
                global_scales=self.global_scales, local_scales=self.local_scales)
        require(self.max_image_size >= 0, "`max_image_size` must not be negative.",
                max_image_size=self.max_image_size)
        require(self.max_num_features > 0, "`max_num_features` must be positive.",
                max_num_features=self.max_num_features)
        require(self.batch_size > 0, "`batch_size` must be positive.", batch_size=self.batch_size)
        require(0 <= self.max_bad_fraction <= 1, "`max_bad_fraction` must be in [0, 1].",
                max_bad_fraction=self.max_bad_fraction)
