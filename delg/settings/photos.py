"""Settings of a search in a folder of photographs."""

from __future__ import annotations

import dataclasses
import os

from data_prep.stage.settings import check_fields, require, setting
from delg.settings.extraction import ExtractConfig
from delg.settings.search import SearchConfig

_SCALES = (2**-0.5, 1.0, 2**0.5)


@dataclasses.dataclass(frozen=True)
class PhotosConfig:
    """Which folder of photographs, and what is kept of it."""

    images_dir: str = setting(help="folder of photographs, in folders of any depth")
    work_dir: str = setting(
        "", help="folder kept between calls, of model, features and index; empty: IMAGES_DIR.found",
        written=True)
    saved_model: str = setting(
        "", help="folder of delg.export_model, or of a published model; empty: one with nothing trained, "
        "made in work_dir")
    verdict: str = setting(
        "", help="model of verdicts, of delg.fit_verification; empty: the one of the package")

    def __post_init__(self):
        check_fields(self)

    @property
    def found_dir(self) -> str:
        """The work folder, whether it was named or not."""
        return self.work_dir or f"{os.path.abspath(self.images_dir)}.found"


@dataclasses.dataclass(frozen=True)
class GroupConfig(PhotosConfig):
    """How photographs of one thing are brought together."""

    num_neighbors: int = setting(20, help="photographs each one is compared with", range="[1, inf)")


@dataclasses.dataclass(frozen=True)
class FindConfig(PhotosConfig):
    """What is searched for in which folder."""

    query: tuple[str, ...] = setting(
        (), help="photograph to search for, to be repeated; none: every photograph against all")
    box: tuple[float, ...] = setting(
        (), help="x1, y1, x2, y2 in pixels of the one query: only this part of it is searched for")
    num_hits: int = setting(20, help="photographs shown for each query, at most", range="[1, inf)")

    def __post_init__(self):
        check_fields(self)
        require(not self.box or len(self.query) == 1, "`box` must come with one `query`.", box=self.box,
                query=self.query)
        require(not self.box or len(self.box) == 4 and self.box[0] < self.box[2]
                and self.box[1] < self.box[3], "`box` must be x1,y1,x2,y2 with x1 < x2 and y1 < y2.",
                box=self.box)


def photo_extraction() -> ExtractConfig:
    """How photographs of a folder are described: smaller and at fewer scales than for benchmarks."""
    return ExtractConfig(max_image_size=512, global_scales=_SCALES, local_scales=_SCALES,
                         max_bad_fraction=1.0)


def photo_search() -> SearchConfig:
    """How photographs of a folder are searched: local features bring what is alike to the first fifty."""
    return SearchConfig(num_rerank=50)
