"""How many pixels go through a model together: as many as memory allows, found by trying."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import tensorflow as tf
from absl import logging

Image = TypeVar("Image")
Result = TypeVar("Result")

_ON_PROCESSOR = 2_000_000  # chosen: larger batches gain nothing there
_ON_ACCELERATOR = 64_000_000  # chosen: more than most memories hold, to be halved from


class BatchPixels:
    """The pixels of a batch at its largest scale. They become fewer when memory does not hold them.

    May be used from several threads.

    Args:
        at_first: pixels tried first; 0: by what computes here.

    Attributes:
        most: pixels of the largest batch that may fit.
    """

    def __init__(self, at_first: int = 0):
        on_accelerator = bool(tf.config.list_physical_devices("GPU"))
        self.most: float = at_first or (_ON_ACCELERATOR if on_accelerator else _ON_PROCESSOR)

    def computed(self, compute: Callable[[Sequence[Image]], Sequence[Result]], images: Sequence[Image],
                 pixels_each: float) -> list[Result]:
        """What `compute` gives of the images: of all together, or of halves where memory does not hold them.

        Args:
            compute: from images of one size to a result of each.
            images: of one size.
            pixels_each: of an image at its largest scale.

        Raises:
            tf.errors.ResourceExhaustedError: if a single image does not fit.
        """
        try:
            return list(compute(images))
        except tf.errors.ResourceExhaustedError:
            if len(images) == 1:
                raise
            half = len(images) // 2
            self.most = min(self.most, max(half, 1) * pixels_each)
            logging.warning("%d images of %.1f megapixels do not fit into memory; from now on at most %d.",
                            len(images), pixels_each / 1e6, half)
        return [*self.computed(compute, images[:half], pixels_each),
                *self.computed(compute, images[half:], pixels_each)]
