"""A photometric normalisation: what is done to the pixels of an image before it is described."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np


class Normalization(NamedTuple):
    """A way to even out light and darkness; keypoints stay where they are.

    Attributes:
        apply: function of pixels, uint8 [h, w, 3] RGB, that gives pixels of the same shape and type; several
            threads call it.
        settings: JSON-able; with the name of the normalisation all that decides what it gives.
    """

    apply: Callable[[np.ndarray], np.ndarray]
    settings: Mapping[str, Any]
