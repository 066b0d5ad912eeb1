"""How a photograph lies in its file: pixels turned upright, and where points of the upright lie in the file.

Orientations are those of EXIF, 1 to 8; 1: the file is upright.
"""

from __future__ import annotations

import numpy as np

# Orientation -> quarter turns against the clock, after mirroring left to right or not.
# Source: Exif 2.32, section 4.6.4, tag 0x0112.
_TURNS = {1: (0, False), 2: (0, True), 3: (2, False), 4: (2, True), 5: (1, True), 6: (3, False),
          7: (3, True), 8: (1, False)}


def turned_upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Stored pixels [height, width, 3] as they are to be seen; a view."""
    quarter_turns, mirrored = _TURNS[orientation]
    return np.rot90(pixels[:, ::-1] if mirrored else pixels, quarter_turns)


def stored_size(orientation: int, size: tuple[int, int]) -> tuple[int, int]:
    """Height and width of the file, from those of the upright photograph."""
    return (size[1], size[0]) if _TURNS[orientation][0] % 2 else size


def to_stored(orientation: int, size: tuple[int, int]) -> np.ndarray:
    """The transform from pixels (x, y, 1) of the upright photograph to those of the file: float64 [3, 3].

    Args:
        orientation: of the file.
        size: height and width of the upright photograph.
    """
    (height, width), (quarter_turns, mirrored) = size, _TURNS[orientation]
    back = np.eye(3)
    for _ in range(quarter_turns):
        back = np.array([[0.0, -1, height - 1], [1, 0, 0], [0, 0, 1]]) @ back
        height, width = width, height
    return np.array([[-1.0, 0, width - 1], [0, 1, 0], [0, 0, 1]]) @ back if mirrored else back
