"""The photographs of a split, in memory: what evaluation and the supervised stage look at."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import cv2
import numpy as np
import tensorflow as tf

from data_prep.images import augment
from data_prep.records.pipeline import read_examples

DOMAINS = ("day", "night")


@dataclasses.dataclass(frozen=True)
class Photographs:
    """Photographs by day and by night.

    Attributes:
        ids: one per image.
        images: uint8 [N, size, size, 3], RGB, the whole image made square.
        is_night: bool [N].
        places: int64 [N].
        pairs: N strings; equal for two images of one view, empty for images without a pair.
    """

    ids: list[str]
    images: np.ndarray
    is_night: np.ndarray
    places: np.ndarray
    pairs: list[str]

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, domain: str) -> np.ndarray:
        """Rows of one domain, "day" or "night"."""
        return np.flatnonzero(self.is_night == (domain == "night"))

    def paired_rows(self) -> np.ndarray:
        """Rows of the images of each known pair, int64 [P, 2]: by day, by night."""
        row_of = {(pair, bool(night)): row
                  for row, (pair, night) in enumerate(zip(self.pairs, self.is_night)) if pair}
        found = [(row, row_of[pair, True]) for (pair, night), row in row_of.items()
                 if not night and (pair, True) in row_of]
        return np.array(sorted(found), np.int64).reshape(-1, 2)


def read_photographs(pattern: str, image_size: int) -> Photographs:
    """All photographs of the shards that match a pattern, in their order.

    Args:
        pattern: glob of shards made with dataset=day_night.
        image_size: side of the images, pixels.

    Raises:
        ValueError: if an image says neither day nor night, or has no place, or a domain is missing.
        FileNotFoundError: if no shard matches.
    """
    ids, images, nights, places, pairs = [], [], [], [], []
    for fields in read_examples(pattern).as_numpy_iterator():
        name, domain = fields["id"].decode(), fields["domain"].decode()
        if domain not in DOMAINS or fields["label"] < 0:
            raise ValueError("Every image must have a place and a domain, day or night: build its shards "
                             f"with --dataset=day_night. Received: domain={domain!r}, "
                             f"label={fields['label']} for image {name!r} of {pattern!r}.")
        ids.append(name)
        encoded = tf.constant(fields["encoded"])  # bytes would be traced anew for each image
        images.append(augment.resize_whole(encoded, image_size).numpy())
        nights.append(domain == "night")
        places.append(fields["label"])
        pairs.append(fields["pair"].decode())
    if all(nights) or not any(nights):
        raise ValueError(f"{pattern!r} must have images by day and by night. "
                         f"Received: {len(nights) - sum(nights)} by day, {sum(nights)} by night.")
    return Photographs(ids, np.stack(images), np.array(nights), np.array(places, np.int64), pairs)


def in_batches(function: Callable[[np.ndarray], np.ndarray], images: np.ndarray,
               batch_size: int = 32) -> np.ndarray:
    """What a function gives for images [N, ...], a batch at a time: [N, ...]."""
    return np.concatenate([function(images[start:start + batch_size])
                           for start in range(0, len(images), batch_size)])


def resized(images: np.ndarray, image_size: int) -> np.ndarray:
    """Images uint8 [N, size, size, 3] made another size, shrunk by area averaging."""
    if images.shape[1] == image_size:
        return images
    method = cv2.INTER_AREA if images.shape[1] > image_size else cv2.INTER_LINEAR
    return np.stack([cv2.resize(image, (image_size, image_size), interpolation=method) for image in images])
