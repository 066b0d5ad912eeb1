"""Settings of the extraction of features."""

from __future__ import annotations

import dataclasses

from data_prep.stage.settings import check_fields, require, setting
from data_prep.stage.table import OrNone
from delg.settings.kinds import PHOTOMETRICS

EXTRACT_PRECISIONS = ("auto", "float32", "bfloat16", "float16")
_FILES = {"translate": "translator"}  # normalisations that need a file, and the setting that names it
LOCAL_DTYPES = ("float32", "float16", "int8", "binary")  # the finest first
# Settings that no feature depends on, or that stand for files and what is taken of them.
NOT_OF_FEATURES = ("max_bad_fraction", "whitening", "batch_size", "batch_pixels", "translator", "translation",
                   "relight", "photometric_beside")


@dataclasses.dataclass(frozen=True)
class ExtractConfig:
    """How features are taken from images. Defaults: DELG paper, section 4.1, and its released settings."""

    max_image_size: int = setting(
        1024, help="images of a longer side are shrunk to it first; 0: never",
        unit="pixels", range="[0, inf)")
    global_scales: tuple[float, ...] = setting(
        (2**-0.5, 1.0, 2**0.5), help="factors to resize an image by for its global descriptor; empty: none",
        range="(0, inf)")
    scale_power: float = setting(
        1.0, help="power of the generalised mean that makes one global descriptor of those of all scales; 1: "
        "their mean; inf: their maximum, the Scale-GeM of SuperGlobal", range="[1, inf)")
    local_scales: tuple[float, ...] = setting(
        (0.25, 2**-1.5, 0.5, 2**-0.5, 1.0, 2**0.5, 2.0),
        help="factors to resize an image by for its local features; empty: none", range="(0, inf)")
    photometric: str = setting(
        "none", help="how light and darkness are evened out first; clahe: the contrast of each part is "
        "spread; translate: the translator makes day of night, or night of day", choices=OrNone(PHOTOMETRICS))
    translator: str = setting(
        "", help="SavedModel of vae.export_model, for photometric=translate; empty: none")
    translation: str = setting(
        "night_to_day", help="signature of the translator; vae.export_model writes night_to_day and "
        "day_to_night")
    relight: bool = setting(
        True, help="photometric=translate: take of the translation the light alone; details and colours stay "
        "those of the image")
    photometric_beside: bool = setting(
        False, help="keep the image as it is too: local features are its own, and its global descriptor is "
        "the mean of its own and that of the image evened out")
    max_num_features: int = setting(1000, help="local features kept per image, the best", range="(0, inf)")
    score_threshold: float | None = setting(
        None, help="least attention score of a local feature; unset: the one that the model learnt")
    local_dtype: str = setting(
        "float16", help="type that local descriptors are stored in: int8 is half the size of float16, binary "
        "(a sign bit a dimension) a sixteenth", choices=LOCAL_DTYPES)
    whitening: str = setting(
        "", help="file of delg.fit_whitening that global descriptors are whitened by; empty: none")
    simulated_views: bool = setting(
        False, help="describe, instead of each image, views of it from both sides and from below, as if what "
        "it shows were a wall; of queries, for delg.search_images --query_view_features")
    batch_size: int = setting(
        8, help="images of one size that are computed together; of large images fewer", range="(0, inf)")
    batch_pixels: int = setting(
        0, help="pixels of images that are computed together, at their largest scale; fewer once memory does "
        "not hold them; 0: two million on a processor, 64 million, or what fits, on an accelerator",
        range="[0, inf)")
    precision: str = setting(
        "auto", help="what the model computes in; auto: float16 on GPUs and bfloat16 on processors where "
        "these are fast and the model's descriptors of a test image stay the same to a cosine of 0.999, "
        "else float32",
        choices=EXTRACT_PRECISIONS)
    max_bad_fraction: float = setting(
        0.05, help="share of the images that may be bad; more of them stop the job", range="[0, 1]")

    def __post_init__(self):
        check_fields(self)
        require(not self.photometric_beside or self.photometric in PHOTOMETRICS and bool(self.global_scales)
                and not self.simulated_views, "`photometric_beside` needs `photometric` and `global_scales`, "
                "and no `simulated_views`.", photometric=self.photometric, global_scales=self.global_scales,
                simulated_views=self.simulated_views)
        require(len(self.global_scales) + len(self.local_scales) > 0,
                "`global_scales` and `local_scales` must not both be empty.",
                global_scales=self.global_scales, local_scales=self.local_scales)
        for name, field in _FILES.items():
            require((self.photometric == name) == bool(getattr(self, field)),
                    f"`photometric` {name} and a `{field}` must come together.",
                    photometric=self.photometric, **{field: getattr(self, field)})
