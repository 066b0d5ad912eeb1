"""From tables of image ids and landmarks to classes numbered from 0, and to splits.

Splits: `train`; `validation`, some images of the classes trained on; `heldout`, all images of classes never
trained on, for retrieval.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from data_prep.sources.collection import ImageCollection, SplitImages


class LabelledImages(NamedTuple):
    """A collection of images, each of one landmark (class)."""

    ids: Sequence[str]
    landmarks: np.ndarray  # [len(ids)]; the original label of each image, integers or strings
    path_of: Callable[[str], str]  # id -> path of the image file, relative to the folder of images

    def to_train(self) -> ImageCollection:
        """All of them as a split `train`."""
        return ImageCollection([SplitImages("train", self.ids, landmarks=self.landmarks)], self.path_of)


class Classes(NamedTuple):
    """Classes numbered from 0: first those to train on, then those held out, each by ascending landmark."""

    landmarks: list[Any]  # original label of class 0, 1, ...
    num_classes: int  # to train on; classes from here on are held out
    labels: np.ndarray  # int64 [number of images]; class of each image


def explode_clean_lists(landmarks: Sequence[int], image_lists: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """Ids and landmark of each image of a table with one landmark a row.

    Args:
        landmarks: landmark id of each row.
        image_lists: image ids of each row, separated by spaces.

    Returns:
        Image ids, and their landmarks, int64 [number of ids], in the order of the table.
    """
    ids_of_row = [images.split() for images in image_lists]
    counts = [len(ids) for ids in ids_of_row]
    ids = [image_id for row in ids_of_row for image_id in row]
    return ids, np.repeat(np.asarray(landmarks, np.int64), counts)


def assign_classes(landmarks: np.ndarray, heldout_class_fraction: float, seed: int) -> Classes:
    """Numbers the landmarks; a random share of those with two images or more is held out.

    The share is of all landmarks, rounded, and at least one landmark if the fraction is above 0.

    Raises:
        ValueError: if the fraction is outside [0, 1), or leaves nothing to hold out or to train on.
    """
    if not 0 <= heldout_class_fraction < 1:
        raise ValueError("`heldout_class_fraction` must be in [0, 1). "
                         f"Received: heldout_class_fraction={heldout_class_fraction}.")
    names, rank, counts = np.unique(landmarks, return_inverse=True, return_counts=True)
    heldout = np.zeros(len(names), bool)
    if heldout_class_fraction > 0:
        num_heldout = max(1, round(heldout_class_fraction * len(names)))
        able = np.flatnonzero(counts >= 2)  # retrieval needs a query and something to find
        if num_heldout > len(able) or num_heldout >= len(names):
            raise ValueError(
                "`heldout_class_fraction` must leave a class to train on and find classes of two images. "
                f"Received: heldout_class_fraction={heldout_class_fraction}, {len(names)} classes, "
                f"{len(able)} of them with two images.")
        heldout[_generator(seed, "heldout").permutation(able)[:num_heldout]] = True
    order = np.argsort(heldout, kind="stable")  # classes to train on first; names are sorted already
    label_of_rank = np.empty(len(names), np.int64)
    label_of_rank[order] = np.arange(len(names))
    return Classes(names[order].tolist(), int(np.sum(~heldout)), label_of_rank[rank])


def split_images(labels: np.ndarray, num_classes: int, validation_fraction: float,
                 seed: int) -> dict[str, np.ndarray]:
    """Rows of each split, as int64 arrays; splits without images are absent.

    Validation takes `validation_fraction` of the images of the classes below `num_classes`, as near as can
    be, and always leaves a class one image to train on. `train` and `validation` are in random order,
    `heldout` goes class by class, so that its first images are whole classes.

    Raises:
        ValueError: if the fraction is outside [0, 1).
    """
    if not 0 <= validation_fraction < 1:
        raise ValueError("`validation_fraction` must be in [0, 1). "
                         f"Received: validation_fraction={validation_fraction}.")
    generator = _generator(seed, "split")
    shuffled = generator.permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]  # random order inside each class
    counts = np.bincount(labels, minlength=num_classes)
    starts = np.cumsum(counts) - counts
    num_validation = _validation_counts(counts[:num_classes], validation_fraction)
    place_in_class = np.arange(len(labels)) - starts[labels[by_class]]
    limit = np.zeros(len(counts), np.int64)
    limit[:num_classes] = num_validation
    in_training_classes = labels[by_class] < num_classes
    in_validation = in_training_classes & (place_in_class < limit[labels[by_class]])
    splits = {"train": generator.permutation(by_class[in_training_classes & ~in_validation]),
              "validation": generator.permutation(by_class[in_validation]),
              "heldout": by_class[~in_training_classes]}
    return {name: rows for name, rows in splits.items() if len(rows)}


def _validation_counts(counts: np.ndarray, fraction: float) -> np.ndarray:
    """Images each class gives to validation: what rounding takes from one class the next ones give."""
    taken = np.zeros(len(counts), np.int64)
    owed = 0.0
    for label, count in enumerate(counts):
        owed += fraction * count
        most = min(count - 1, int(np.ceil(fraction * count)))
        taken[label] = max(0, min(most, int(owed + 1e-9)))
        owed -= taken[label]
    return taken


def _generator(seed: int, purpose: str) -> np.random.Generator:
    return np.random.default_rng([seed, *purpose.encode()])
