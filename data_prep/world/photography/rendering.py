"""Draws panels into a frame: antialiased perspective warps, nearest surface kept, owners remembered."""

from __future__ import annotations

import cv2
import numpy as np

from data_prep.world.architecture.buildings import Panel
from data_prep.world.photography import light as lights
from data_prep.world.photography.camera import Camera, clip_to_front, plane_homography
from data_prep.world.photography.light import Light

_RELIEF_CONTRAST = 1.0 / 110  # shading per unit of slope; chosen
_SLACK = 2e-3  # relative; surfaces this close in depth are one, and the later one wins


class Frame:
    """A picture under construction.

    Attributes:
        colour: float32 [height, width, 3], RGB in 0..255.
        owner: int32 [height, width], the number given with the surface seen at a pixel; 0 is the background.
        nearness: float32 [height, width], 1 / depth in metres of that surface.
    """

    def __init__(self, camera: Camera, light: Light, background: np.ndarray):
        self.camera, self.light = camera, light
        self.colour = background
        self.owner = np.zeros(background.shape[:2], np.int32)
        self.nearness = np.zeros(background.shape[:2], np.float32)

    def paint(self, panel: Panel, owner: int, is_landmark: bool = False, glow=(1.0, 1.0)) -> None:
        """Draws a panel where it is the nearest surface; soft edges want far panels first.

        Args:
            panel: turned to the camera already if it is a billboard.
            owner: written where the panel is more opaque than not.
            is_landmark: whether floodlights shine on it.
            glow: strength of the lit windows of this building, times that of the light.
        """
        outline = clip_to_front(self.camera, panel.corners())
        if len(outline) == 0:
            return
        frame_height, frame_width = self.owner.shape
        x0, y0 = np.maximum(np.floor(outline.min(0)).astype(int) - 1, 0)
        x1, y1 = np.minimum(np.ceil(outline.max(0)).astype(int) + 2, (frame_width, frame_height))
        if x1 <= x0 or y1 <= y0:
            return
        size = (int(x1 - x0), int(y1 - y0))
        homography = plane_homography(self.camera, panel.origin, panel.right, panel.up)
        homography = np.array([[1, 0, -x0], [0, 1, -y0], [0, 0, 1.0]]) @ homography
        nearness = self._nearness(panel, x0, y0, size)
        if nearness is None:
            return
        texture = panel.texture
        colour, detail = _scaled(texture, homography)
        rows, columns = colour.shape[:2]
        to_metres = np.array([[texture.width / columns, 0, 0.5 * texture.width / columns],
                              [0, -texture.height / rows, texture.height - 0.5 * texture.height / rows],
                              [0, 0, 1]])
        warp = homography @ to_metres
        seen = cv2.warpPerspective(colour, warp, size, flags=cv2.INTER_LINEAR)
        alpha = seen[..., 3].astype(np.float32) * (1 / 255)
        window = (slice(y0, y1), slice(x0, x1))
        alpha *= nearness > self.nearness[window] * (1 - _SLACK)
        if not alpha.any():
            return
        lit = seen[..., :3].astype(np.float32)
        lit *= self._shade(panel, homography, size, is_landmark)
        if panel.role != "ground":
            slopes = cv2.warpPerspective(detail, warp, size, flags=cv2.INTER_LINEAR)
            self._add_detail(lit, slopes, seen[..., 3], panel, is_landmark, glow)
        distance = float(np.linalg.norm(panel.centre - self.camera.position))
        haze = 1 - np.exp(-self.light.haze * distance / 100)
        lit *= 1 - haze
        lit += (haze * alpha)[..., None] * np.asarray(self.light.horizon, np.float32)
        visible = alpha > 0
        lit *= visible[..., None]
        self.colour[window] = self.colour[window] * (1 - alpha[..., None]) + lit
        solid = alpha > 0.5
        self.owner[window][solid] = owner
        self.nearness[window][solid] = nearness[solid]

    def _nearness(self, panel, x0, y0, size):
        """1 / depth of the panel's plane at each pixel of a window, or None if seen edge on."""
        camera = self.camera
        normal = camera.rotation @ panel.normal
        offset = float(panel.normal @ (panel.origin - camera.position))
        if abs(offset) < 1e-4:
            return None
        centre_x, centre_y = (camera.width - 1) / 2, (camera.height - 1) / 2
        x = (np.arange(x0, x0 + size[0], dtype=np.float32) - centre_x) / camera.focal
        y = (np.arange(y0, y0 + size[1], dtype=np.float32) - centre_y) / camera.focal
        return ((normal[0] * x[None, :] + normal[1] * y[:, None] + normal[2]) / offset).astype(np.float32)

    def _shade(self, panel, homography, size, is_landmark):
        """RGB factors of the light on the panel, float32 [h, w, 3]."""
        normal = (0, 0, -1) if panel.role == "facing" and not is_landmark else panel.normal
        cells = lights.light_map(self.light, normal, panel.texture.width, panel.texture.height, is_landmark)
        if panel.role == "ground":
            return cells[0].mean(0)
        rows, columns = cells.shape[:2]
        to_metres = np.array([[panel.texture.width / (columns - 1), 0, 0],
                              [0, -panel.texture.height / (rows - 1), panel.texture.height], [0, 0, 1]])
        return cv2.warpPerspective(cells, homography @ to_metres, size, flags=cv2.INTER_LINEAR,
                                   borderMode=cv2.BORDER_REPLICATE)

    def _add_detail(self, lit, detail, alpha, panel, is_landmark, glow) -> None:
        along, above = lights.relief_direction(self.light, panel.right, panel.up, is_landmark)
        slope = (detail[..., 0].astype(np.float32) - 128) * (-along * _RELIEF_CONTRAST)
        slope += (detail[..., 1].astype(np.float32) - 128) * (-above * _RELIEF_CONTRAST)
        slope[alpha == 0] = 0
        lit *= np.clip(1 + slope, 0.3, 1.9)[..., None]
        strengths = [float(given * own) for given, own in zip(self.light.glow, glow)]
        if max(strengths) > 0.03:
            shine = strengths[0] * detail[..., 2].astype(np.float32)
            shine += strengths[1] * detail[..., 3].astype(np.float32)
            lit += np.minimum(1.0, shine / 255)[..., None] * np.asarray(self.light.glow_colour, np.float32)


def _scaled(texture, homography):
    """The texture's layers at about the size at which they are seen, so that the warp does not alias."""
    width, height = texture.width, texture.height
    finest = texture.colours[0].shape
    grid = np.array([(u * width, v * height, 1.0) for u in (0, 0.5, 1) for v in (0, 0.5, 1)])
    seen = grid @ homography.T
    if seen[:, 2].min() <= 0.05 * seen[:, 2].max():
        return texture.colours[0], texture.details[0]
    points = (seen[:, :2] / seen[:, 2:]).reshape(3, 3, 2)
    across = np.linalg.norm(np.diff(points, axis=0), axis=-1).sum(0).max()
    down = np.linalg.norm(np.diff(points, axis=1), axis=-1).sum(1).max()
    columns = int(np.clip(np.ceil(across), 4, finest[1]))
    rows = int(np.clip(np.ceil(down), 4, finest[0]))
    level = 0
    while (level + 1 < len(texture.colours) and texture.colours[level + 1].shape[0] >= rows
           and texture.colours[level + 1].shape[1] >= columns):
        level += 1
    colour, detail = texture.colours[level], texture.details[level]
    if (rows, columns) != colour.shape[:2]:
        colour = cv2.resize(colour, (columns, rows), interpolation=cv2.INTER_AREA)
        detail = cv2.resize(detail, (columns, rows), interpolation=cv2.INTER_AREA)
    return colour, detail
