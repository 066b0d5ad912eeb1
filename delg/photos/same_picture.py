"""Whether two image files are one picture at another size or in another encoding: by pixels (OpenCV)."""

from __future__ import annotations

import functools

import cv2
import numpy as np

from data_prep.images.intake import read_picture

LEAST_SIMILARITY = 0.85  # cosine of two files of one picture at least; chosen: 0.91 was seen at 60 % size
_SIDE = 32  # pixels that pictures are shrunk to; chosen
_LEAST_CORRELATION = 0.985  # of pixels; chosen: copies had 0.999 at least, other views 0.960 at most
_CACHED = 4096  # small pictures that are kept, 12 KB each


def are_one_picture(path: str, other_path: str) -> bool:
    """Whether two image files look alike pixel by pixel, once both are shrunk to one size.

    Two photographs taken one after the other differ by more, even from a tripod; descriptors and a transform
    do not tell them apart, as keypoints lie on a grid.

    Raises:
        FileNotFoundError: if one is gone.
        ValueError: if one cannot be used.
    """
    return float(_small(path) @ _small(other_path)) >= _LEAST_CORRELATION


@functools.lru_cache(_CACHED)
def _small(path: str) -> np.ndarray:
    """float32 [D]: pixels of the shrunk picture less their mean, of unit norm."""
    pixels = cv2.resize(read_picture(path), (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    pixels = pixels.astype(np.float32).ravel()
    pixels -= pixels.mean()
    return pixels / max(np.linalg.norm(pixels), 1e-6)
