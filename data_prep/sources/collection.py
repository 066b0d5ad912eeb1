"""What a source of images gives to a build: its splits, before classes are numbered and order is settled."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np


class SplitImages(NamedTuple):
    """The images of one split, in the order of the source."""

    name: str  # "train", "test", "index", "query", ...
    ids: Sequence[str]  # unique within the split
    landmarks: np.ndarray | None = None  # [len(ids)]; the original label of each, integers or strings
    query_bboxes: Sequence[Sequence[float]] | None = None  # x1, y1, x2, y2 in pixels of each
    domains: Sequence[str] | None = None  # such as "day" or "night", of each
    pairs: Sequence[str] | None = None  # images of equal key belong together; "": alone


class ImageCollection(NamedTuple):
    """All images of a source.

    A split `train` is divided into `train`, `validation` and `heldout`, unless `fixed_splits`; every other
    split is written as it is.
    """

    splits: list[SplitImages]
    path_of: Callable[[str], str]  # id -> path of the image file, relative to the folder of images
    fixed_splits: bool = False
    ground_truth: dict[str, Any] | None = None
    passed_over: Mapping[str, str] = {}  # path -> reason, of files and folders that no image comes of
