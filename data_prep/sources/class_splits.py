"""Fine-grained sets, of classes numbered from 1, as splits to train and to test on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from data_prep.sources.collection import ImageCollection, SplitImages
from data_prep.stage.settings import setting

CLASS_SPLITS = ("official", "unseen")


@dataclasses.dataclass(frozen=True)
class Settings:
    """Of every set of that kind."""

    class_split: str = setting(
        "official", help="cub, dogs: how classes are split; unseen: the first half of the classes trains, "
        "the other tests", choices=CLASS_SPLITS)


def split_classes(ids: list[str], labels: np.ndarray, class_names: list[str], is_official_train: np.ndarray,
                  class_split: str, path_of: Callable[[str], str]) -> ImageCollection:
    """The splits `train` and `test` of a set, as published or by class.

    Args:
        ids: of the images.
        labels: int64 [number of ids]; class of each, from 1.
        class_names: of class 1, 2, ...; in ascending order, so that class k gets the number k - 1.
        is_official_train: bool [number of ids].
        class_split: "official": as published, every class on both sides; "unseen": the images of the first
            half of the classes are to train on, those of the second half to test.
        path_of: id -> path.
    """
    is_train = is_official_train if class_split == "official" else labels <= len(class_names) // 2
    names = np.array(class_names)[labels - 1]
    splits = []
    for name, chosen in (("train", is_train), ("test", ~is_train)):
        rows = np.flatnonzero(chosen)
        if not len(rows):
            raise ValueError(f"A set must have images to train and to test on. Received: none for {name} "
                             f"among {len(ids)} images of {len(class_names)} classes, "
                             f"class_split={class_split}.")
        splits.append(SplitImages(name, [ids[row] for row in rows], landmarks=names[rows]))
    return ImageCollection(splits, path_of)
