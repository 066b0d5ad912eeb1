"""Settings of a build of TFRecord shards: those of every build, and the own ones of each set of images."""

from __future__ import annotations

import dataclasses

from data_prep.images import image_headers
from data_prep.sources.source import SOURCES, own_settings, sets_of
from data_prep.stage.settings import check_fields, setting

_IN_TARS = [name for name, source in SOURCES.items() if source.reads_tars]
_LAYOUTS = "; ".join(f"{name}: {source.layout}" for name, source in SOURCES.items())


@dataclasses.dataclass(frozen=True)
class CommonConfig:
    """What every build is asked for, whatever the set."""

    dataset: str = setting(help="what the images are, and how they lie", choices=SOURCES)
    images_dir: str = setting(help=f"folder of the images, empty with from_tars; {_LAYOUTS}")
    output_dir: str = setting(help="folder that the shards and dataset.json are written to", written=True)
    num_shards: int = setting(
        0, help="shards per split, never more than it has images; 0: about 128 MB each", range="[0, 99999]")
    validation_fraction: float = setting(
        0.2, help="share of the images of the training classes that goes to the split validation, the 80/20 "
        "of the DELG paper by default; of the sequences, where a set has them", range="[0, 1)")
    heldout_class_fraction: float = setting(
        0.0, help="share of the classes that goes whole to the split heldout, kept from training to judge "
        "retrieval", range="[0, 1)")
    seed: int = setting(0, help="seed of the splits and of the order of the images", range="[0, inf)")
    max_bad_fraction: float = setting(
        0.05, help="share of the images that may be bad; more of them stop the build", range="[0, 1]")
    max_pixels: int = setting(
        image_headers.MAX_PIXELS, help="images of more pixels are left out", unit="pixels", range="[1, inf)")
    upright: bool = setting(
        True, help="turn images by their EXIF orientation; never where boxes of queries mean stored pixels")
    decode_check: bool = setting(
        False, help="decode every JPEG fully, instead of checking headers and structure only")
    from_tars: str = setting(
        "", help=f"{', '.join(_IN_TARS)}: glob of tar files with the images, instead of images_dir")


@dataclasses.dataclass(frozen=True)
class BuildConfig(*reversed(own_settings()), CommonConfig):
    """One build of TFRecord shards: the common settings and the own ones of all sets, side by side.

    Those of other sets than `dataset` keep their defaults. Every value is one that JSON can hold.
    """

    def __post_init__(self):
        check_fields(self)
        if not (self.images_dir or self.from_tars):
            raise ValueError("A build needs `images_dir` or `from_tars`. Received: neither.")
        for field in dataclasses.fields(self):
            sets = _IN_TARS if field.name == "from_tars" else sets_of(field.name)
            value = getattr(self, field.name)
            if sets and self.dataset not in sets and value != field.default:
                raise ValueError(f"`{field.name}` belongs to dataset={' or '.join(sets)}. "
                                 f"Received: {field.name}={value} with dataset={self.dataset}.")
        SOURCES[self.dataset].check(self)

    @property
    def turns_upright(self) -> bool:
        """Whether images are turned by their EXIF orientation: boxes of queries mean stored pixels."""
        return self.upright and not SOURCES[self.dataset].has_boxes
