"""What a building is made of: textured rectangles and billboards in space.

Space is in metres, x to the right, y up, z away from the viewer. A building's front lies near z = 0 and looks
towards negative z; its middle is at x = 0.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from data_prep.world.photography.canvas import Texture


@dataclasses.dataclass(frozen=True)
class Panel:
    """A textured rectangle in space.

    Attributes:
        name: unique within a building.
        role: "front", "side", "roof", "ground" or "billboard"; a billboard turns about the vertical to face
            the camera and is then "facing".
        origin: float [3], bottom left corner seen from outside (of a billboard: the middle of its foot).
        right, up: unit vectors, float [3].
        texture: what covers it; its size is the panel's size.
    """

    name: str
    role: str
    origin: np.ndarray
    right: np.ndarray
    up: np.ndarray
    texture: Texture

    @property
    def normal(self) -> np.ndarray:
        """Outward unit vector, float [3]."""
        (x1, y1, z1), (x2, y2, z2) = self.up.tolist(), self.right.tolist()  # np.cross is slow on one pair
        return np.array([y1 * z2 - z1 * y2, z1 * x2 - x1 * z2, x1 * y2 - y1 * x2])

    @property
    def centre(self) -> np.ndarray:
        """Metres, float [3]."""
        return self.point(0.5 * self.texture.width, 0.5 * self.texture.height)

    def point(self, along, above) -> np.ndarray:
        """Points in space, [..., 3], at distances from the origin along `right` and `up`."""
        along, above = np.asarray(along)[..., None], np.asarray(above)[..., None]
        return self.origin + along * self.right + above * self.up

    def corners(self) -> np.ndarray:
        """Metres, float [4, 3], anticlockwise from the origin."""
        width, height = self.texture.width, self.texture.height
        return self.point(np.array([0, width, width, 0]), np.array([0, 0, height, height]))


@dataclasses.dataclass(frozen=True)
class Building:
    """Panels, and the size of the whole in metres."""

    panels: tuple[Panel, ...]
    width: float
    height: float
    depth: float


def make_panel(name, role, origin, right, up, texture) -> Panel:
    """A panel whose axes are brought to unit length."""
    right, up = np.asarray(right, np.float64), np.asarray(up, np.float64)
    return Panel(name, role, np.asarray(origin, np.float64), right / np.linalg.norm(right),
                 up / np.linalg.norm(up), texture)


def face(panel: Panel, position) -> Panel:
    """A billboard turned about its foot's middle to a viewer at `position`; other panels as they are."""
    if panel.role != "billboard":
        return panel
    away = (panel.origin - np.asarray(position)) * (1, 0, 1)
    away /= max(1e-6, float(np.linalg.norm(away)))
    right = np.array([away[2], 0.0, -away[0]])
    return dataclasses.replace(panel, origin=panel.origin - 0.5 * panel.texture.width * right, right=right,
                               role="facing")


def place(building: Building, x: float, z: float, turn: float = 0.0) -> Building:
    """A building turned by `turn` radians about the vertical axis of its front's middle, then moved."""
    cos, sin = np.cos(turn), np.sin(turn)
    rotation = np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
    panels = tuple(dataclasses.replace(panel, origin=rotation @ panel.origin + (x, 0, z),
                                       right=rotation @ panel.right, up=rotation @ panel.up)
                   for panel in building.panels)
    return dataclasses.replace(building, panels=panels)
