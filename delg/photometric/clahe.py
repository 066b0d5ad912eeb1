"""Contrast limited adaptive histogram equalisation (CLAHE) of the lightness of an image."""

from __future__ import annotations

import cv2
import numpy as np

from delg.photometric.normalization import Normalization
from delg.settings.extraction import ExtractConfig

_CLIP_LIMIT, _TILES = 2.0, 8  # of a histogram's mean height; along each side. Chosen


def equalised(image: np.ndarray) -> np.ndarray:
    """The image with the lightness (L of Lab) of each part spread over the whole range; its colours stay.

    The image is cut into 8 x 8 tiles. In each the histogram is cut off at twice its mean height, what was cut
    off is dealt out evenly, and the running sum maps the lightness; between the centres of tiles the maps of
    the four nearest are mixed bilinearly.
    Source: Zuiderveld, "Contrast limited adaptive histogram equalization", 1994 (OpenCV's form). On Lab as in
    "No Fear of the Dark", Jenicek and Chum, ICCV 2019.

    Args:
        image: uint8, [h, w, 3], RGB.

    Returns:
        uint8, [h, w, 3], RGB.
    """
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    # An equaliser holds buffers of its own, so that threads cannot share one.
    lab[..., 0] = cv2.createCLAHE(_CLIP_LIMIT, (_TILES, _TILES)).apply(np.ascontiguousarray(lab[..., 0]))
    return cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)


def clahe(_: ExtractConfig) -> Normalization:
    """The normalisation `clahe`, see `equalised`."""
    return Normalization(equalised, {})
