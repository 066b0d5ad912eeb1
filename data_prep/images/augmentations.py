"""How training images may be changed as they are read: a table of names, and what each does."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from data_prep.stage.table import Table

AUGMENTATIONS = Table("augmentation", {
    "paper": "data_prep.images.augmentations:PAPER",
    "strong": "data_prep.images.strong_augment:STRONG",
    "none": "data_prep.images.augmentations:NONE",
})


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """A change of training images; the same image, seed and step give the same pixels.

    Attributes:
        crops: a random part of each image is read, made square; else the whole image.
        change: what a part becomes next: uint8 [size, size, 3] and a seed, int64 [2], to uint8
            [size, size, 3]; None: it stays. Whole images stay in any case.
    """

    crops: bool
    change: Callable[[Any, Any], Any] | None = None


PAPER = Augmentation(crops=True)
NONE = Augmentation(crops=False)
