"""The photograph's own details under another light."""

from __future__ import annotations

import cv2
import numpy as np

_SIDE = 224  # pixels of the longer side that light is looked at in; chosen
_SPREAD = 1 / 14  # of that side: standard deviation of the low-pass, about a cell of a VAE's latent; chosen
_OFFSET = 4.0  # added to both lights, so that noise in the dark does not blaze; chosen
_MOST = 8.0  # times lighter or darker, at most; chosen


def relit(image: np.ndarray, translation: np.ndarray) -> np.ndarray:
    """An image in the light of its translation: times the ratio of their low-passed lightnesses.

    All channels of a pixel are multiplied by one number, so that details and colours stay the image's. What
    the constants were chosen by: docs/decisions/0098.

    Args:
        image: uint8, [h, w, 3].
        translation: of the same form.

    Returns:
        uint8, [h, w, 3].
    """
    height, width = image.shape[:2]
    gain = np.clip((_light(translation) + _OFFSET) / (_light(image) + _OFFSET), 1 / _MOST, _MOST)
    gain = cv2.resize(gain, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.clip(np.rint(image * gain[..., np.newaxis]), 0, 255).astype(np.uint8)


def _light(image: np.ndarray) -> np.ndarray:
    """Mean of the channels, shrunk and blurred."""
    height, width = image.shape[:2]
    share = min(1.0, _SIDE / max(height, width))
    size = max(1, round(width * share)), max(1, round(height * share))
    small = cv2.resize(image.astype(np.float32).mean(axis=-1), size, interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(small, (0, 0), max(size) * _SPREAD)
