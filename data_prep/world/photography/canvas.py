"""A drawing surface in metres, and the antialiased texture that comes off it."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np

_SHIFT = 4  # fractional bits of OpenCV's drawing coordinates
NUM_GLOW_GROUPS = 2  # windows are lit in groups, so that night views differ


@dataclasses.dataclass(frozen=True)
class Texture:
    """A rectangle of material: what a panel looks like before any light falls on it.

    Attributes:
        colours: mip levels, finest first; uint8 [h, w, 4], RGB premultiplied by alpha, and alpha.
        details: mip levels; uint8 [h, w, 4]: relief slope along x and along y (up) as 128 + slope, and the
            glow of the two window groups.
        width, height: metres.
    """

    colours: tuple[np.ndarray, ...]
    details: tuple[np.ndarray, ...]
    width: float
    height: float


class Canvas:
    """Layers of one facade, drawn in metres: x to the right, y upwards, (0, 0) the bottom left corner.

    Args:
        width, height: metres.
        resolution: pixels per metre.
    """

    def __init__(self, width: float, height: float, resolution: float):
        self.width, self.height, self.resolution = width, height, resolution
        columns, rows = max(8, round(width * resolution)), max(8, round(height * resolution))
        self.albedo = np.zeros((rows, columns, 3), np.uint8)
        self.alpha = np.zeros((rows, columns), np.uint8)
        self.relief = np.zeros((rows, columns), np.float32)  # decimetres in front of the wall
        self.glow = np.zeros((NUM_GLOW_GROUPS, rows, columns), np.uint8)
        self._is_glowing = False
        self._scale = np.array([columns / width, rows / height])

    def pixels(self, points_xy) -> np.ndarray:
        """Fixed-point pixel coordinates, int32 [n, 1, 2], of points in metres, [n, 2]."""
        points = np.asarray(points_xy, np.float64).reshape(-1, 2) * self._scale
        points[:, 1] = self.albedo.shape[0] - points[:, 1]
        return np.round((points - 0.5) * (1 << _SHIFT)).astype(np.int32)[:, None]

    def polygon(self, points_xy, colour=None, relief=None, glow_group=None, glow=200, opaque=True):
        """Fills a polygon. `colour` None keeps the colour; `opaque` False cuts a hole; None keeps alpha."""
        points = [self.pixels(points_xy)]
        if colour is not None:
            cv2.fillPoly(self.albedo, points, _rgb(colour), cv2.LINE_AA, _SHIFT)
        if opaque is not None:
            cv2.fillPoly(self.alpha, points, 255 if opaque else 0, cv2.LINE_AA, _SHIFT)
        if relief is not None:
            cv2.fillPoly(self.relief, points, float(relief), cv2.LINE_8, _SHIFT)
        if glow_group is None:
            if colour is not None and self._is_glowing:
                for layer in self.glow:
                    cv2.fillPoly(layer, points, 0, cv2.LINE_8, _SHIFT)
        else:
            self._is_glowing = True
            cv2.fillPoly(self.glow[glow_group], points, int(glow), cv2.LINE_AA, _SHIFT)

    def rectangle(self, x0, y0, x1, y1, colour=None, relief=None, **options):
        """Fills an upright rectangle."""
        self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], colour, relief, **options)

    def disc(self, x, y, radius_x, colour=None, relief=None, radius_y=None, sides=28, **options):
        """Fills an ellipse."""
        angles = np.linspace(0, 2 * np.pi, sides, endpoint=False)
        radius_y = radius_x if radius_y is None else radius_y
        self.polygon(np.stack([x + radius_x * np.cos(angles), y + radius_y * np.sin(angles)], -1), colour,
                     relief, **options)

    def line(self, points_xy, width, colour=None, relief=None, closed=False):
        """Strokes a polyline `width` metres wide; parts outside what is opaque are not seen."""
        points = [self.pixels(points_xy)]
        pixels = max(1, round(width * self.resolution))
        if colour is not None:
            cv2.polylines(self.albedo, points, closed, _rgb(colour), pixels, cv2.LINE_AA, _SHIFT)
            for layer in self.glow:
                cv2.polylines(layer, points, closed, 0, pixels, cv2.LINE_8, _SHIFT)
        if relief is not None:
            cv2.polylines(self.relief, points, closed, float(relief), pixels, cv2.LINE_8, _SHIFT)

    def mask(self, points_xy) -> np.ndarray:
        """The pixels inside a polygon, bool [rows, columns]."""
        inside = np.zeros(self.alpha.shape, np.uint8)
        cv2.fillPoly(inside, [self.pixels(points_xy)], 1, cv2.LINE_8, _SHIFT)
        return inside.astype(bool)

    def texture(self) -> Texture:
        """The finished texture with its mip levels."""
        opacity = self.alpha[..., None].astype(np.float32) / 255
        colour = np.concatenate([self.albedo * opacity, self.alpha[..., None]], -1).astype(np.uint8)
        relief = cv2.GaussianBlur(self.relief, (0, 0), 0.03 * self.resolution + 0.5)
        slope_x = cv2.Sobel(relief, cv2.CV_32F, 1, 0, scale=12.0)
        slope_y = -cv2.Sobel(relief, cv2.CV_32F, 0, 1, scale=12.0)
        detail = np.stack([np.clip(128 + slope_x, 0, 255), np.clip(128 + slope_y, 0, 255), *self.glow],
                          -1).astype(np.uint8)
        detail[..., 2:] = (detail[..., 2:] * opacity).astype(np.uint8)
        return Texture(_mip_levels(colour), _mip_levels(detail), self.width, self.height)


def _rgb(colour) -> tuple[float, float, float]:
    red, green, blue = (float(min(255, max(0, round(float(value))))) for value in colour)
    return red, green, blue


def _mip_levels(image) -> tuple[np.ndarray, ...]:
    levels = [image]
    while min(levels[-1].shape[:2]) > 12:
        rows, columns = levels[-1].shape[:2]
        levels.append(cv2.resize(levels[-1], ((columns + 1) // 2, (rows + 1) // 2),
                                 interpolation=cv2.INTER_AREA))
    return tuple(levels)


def tinted(colour, factor: float) -> np.ndarray:
    """A colour made darker (factor below 1) or lighter, float [3] in 0..255."""
    return np.clip(np.asarray(colour, np.float64) * factor, 0, 255)
