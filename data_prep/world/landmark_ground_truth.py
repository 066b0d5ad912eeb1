"""Which index images show a query's landmark, and how hard they are: decided from the true geometry.

An index image of the query's landmark is
- junk, if less than 20 % of the landmark's front is visible or it covers less than 3 % of the image;
- easy, if at least half of the front is visible, the landmark covers at least 10 % of the image, the camera
  stands at most 45 degrees aside of the front and at most 40 degrees away from the query's direction, and
  both pictures are taken by night or neither is;
- hard otherwise: oblique, small, cut off, hidden in part, or by the other light.
Images of other landmarks and without a landmark are negatives. Thresholds are chosen.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from data_prep.world.architecture.buildings import Building
from data_prep.world.photography.camera import Camera

JUNK_VISIBLE_FRACTION = 0.2
JUNK_PIXEL_SHARE = 0.03
EASY_VISIBLE_FRACTION = 0.5
EASY_PIXEL_SHARE = 0.1
EASY_AZIMUTH = 45.0
EASY_TURN = 40.0
MIN_BOX = 32  # pixels
_CELLS = 24  # samples along the longer side of a front


@dataclasses.dataclass(frozen=True)
class View:
    """How a landmark is seen in one image.

    Attributes:
        light: "day", "dusk" or "night".
        azimuth: degrees, from the front's normal to the camera about the vertical, positive to the right.
        visible_fraction: in 0..1, share of the front's area inside the frame and hidden by nothing else.
        box: x1, y1, x2, y2 in pixels around all that is visible of the landmark; None if nothing is.
        pixel_share: in 0..1, share of the image's pixels that show the landmark.
        distance: metres from the middle of the front's foot, along the ground.
    """

    light: str
    azimuth: float
    visible_fraction: float
    box: tuple[float, float, float, float] | None
    pixel_share: float
    distance: float


def grade(query: View, view: View) -> str:
    """"easy", "hard" or "junk": what an image of the query's landmark is to the query."""
    if view.visible_fraction < JUNK_VISIBLE_FRACTION or view.pixel_share < JUNK_PIXEL_SHARE:
        return "junk"
    if (view.visible_fraction >= EASY_VISIBLE_FRACTION and view.pixel_share >= EASY_PIXEL_SHARE
            and abs(view.azimuth) <= EASY_AZIMUTH and abs(view.azimuth - query.azimuth) <= EASY_TURN
            and (view.light == "night") == (query.light == "night")):
        return "easy"
    return "hard"


def visible_fraction(camera: Camera, building: Building, owned: np.ndarray) -> float:
    """The share of the area of a building's fronts that is in the picture.

    What the building's own parts hide counts as visible: a portico is part of the front.

    Args:
        camera: of the picture.
        building: the landmark, in the camera's world.
        owned: bool [height, width], pixels that show the landmark.
    """
    seen = total = 0.0
    for panel in building.panels:
        if panel.role != "front":
            continue
        level = next((mip for mip in panel.texture.colours if max(mip.shape[:2]) <= 2 * _CELLS),
                     panel.texture.colours[-1])
        rows, columns = level.shape[:2]
        row, column = np.nonzero(level[..., 3] > 127)
        width, height = panel.texture.width, panel.texture.height
        points = panel.point((column + 0.5) * width / columns, height - (row + 0.5) * height / rows)
        pixels, depth = camera.project(points)
        x, y = np.round(np.clip(pixels, -9, 1e6)).astype(int).T
        inside = (depth > 0) & (x >= 0) & (y >= 0) & (x < owned.shape[1]) & (y < owned.shape[0])
        cell = width * height / (rows * columns)
        total += cell * len(points)
        seen += cell * np.count_nonzero(owned[y[inside], x[inside]])
    return seen / total if total else 0.0


def landmark_box(owned: np.ndarray) -> tuple[float, float, float, float] | None:
    """The box (x1, y1, x2, y2) around the pixels that show a landmark, inside the image.

    Args:
        owned: bool [height, width].

    Returns:
        Pixels, at least MIN_BOX wide and high where the image is; x2 is one past the last column. None if no
        pixel shows the landmark.
    """
    columns, rows = np.flatnonzero(owned.any(0)), np.flatnonzero(owned.any(1))
    if not len(columns):
        return None
    (x1, x2), (y1, y2) = (_widened(ends[0], ends[-1] + 1, limit) for ends, limit in
                          ((columns, owned.shape[1]), (rows, owned.shape[0])))
    return x1, y1, x2, y2


def _widened(low: int, high: int, limit: int) -> tuple[float, float]:
    size = max(high - low, min(MIN_BOX, limit))
    low = int(np.clip(low - (size - (high - low)) // 2, 0, limit - size))
    return float(low), float(low + size)
