"""Day, dusk and night: what falls on a surface, what the sky looks like, which windows shine."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np

from data_prep.world.architecture.masonry import fractal_noise

KINDS = ("day", "dusk", "night")
_MAP = 24  # cells of a light map along each side
_ACROSS = np.linspace(0, 1, _MAP, dtype=np.float32)[None, :]
_UPWARDS = np.linspace(1, 0, _MAP, dtype=np.float32)[:, None]


@dataclasses.dataclass(frozen=True)
class Light:
    """The light of one photograph. Colours are RGB factors on the displayed colour.

    Attributes:
        kind: one of KINDS.
        sun: unit vector towards the sun, [3].
        sun_colour, ambient: RGB factors.
        flood: RGB factor of the lamps that light the landmark from below; street: of those along the street.
        glow: strength of each group of lit windows, [2], and their colour.
        zenith, horizon: RGB of the sky in 0..255; clouds in 0..1.
        haze: share of the horizon's colour per 100 m.
        shadow: slope, place and depth of a shadow cast over the scene's fronts.
    """

    kind: str
    sun: tuple[float, ...]
    sun_colour: tuple[float, ...]
    ambient: tuple[float, ...]
    flood: tuple[float, ...]
    street: tuple[float, ...]
    glow: tuple[float, ...]
    glow_colour: tuple[float, ...]
    zenith: tuple[float, ...]
    horizon: tuple[float, ...]
    clouds: float
    haze: float
    shadow: tuple[float, float, float]


def draw_light(rng: np.random.Generator, kind: str) -> Light:
    """Random light of one kind; the sun stands before the fronts or grazes them, at times behind them."""
    azimuth, height = rng.uniform(-1.3, 1.3), rng.uniform(0.25, 1.1)
    none = np.zeros(3)
    shadow = (rng.normal(0, 1.2), rng.uniform(-0.2, 1.2), 0.0)
    warm = np.array([1.0, rng.uniform(0.72, 0.9), rng.uniform(0.4, 0.7)])
    if kind == "day":
        overcast = rng.random() < 0.4
        sun = none if overcast else np.array([1.0, 0.95, 0.86]) * rng.uniform(0.4, 0.75)
        ambient = np.array([0.92, 0.97, 1.06]) * (
            rng.uniform(0.85, 1.1) if overcast else rng.uniform(0.48, 0.7)
        )
        zenith = np.array([70, 120, 190]) * rng.uniform(0.7, 1.25)
        horizon = np.array([190, 208, 226]) * rng.uniform(0.85, 1.1)
        if overcast:
            zenith = horizon = np.array([186, 192, 200]) * rng.uniform(0.75, 1.2)
        glow, flood, street, clouds = rng.uniform(0, 0.06, 2), none, none, rng.uniform(0, 1)
        if not overcast and rng.random() < 0.55:
            shadow = (shadow[0], shadow[1], 1.0)
    elif kind == "dusk":
        height = rng.uniform(0.03, 0.3)
        sun = warm * rng.uniform(0.1, 0.7)
        ambient = np.array([rng.uniform(0.85, 1.1), 0.88, rng.uniform(0.85, 1.15)]) * rng.uniform(0.38, 0.62)
        zenith = np.array([rng.uniform(50, 110), rng.uniform(60, 100), rng.uniform(110, 150)])
        horizon = np.array([rng.uniform(200, 250), rng.uniform(120, 180), rng.uniform(80, 150)])
        glow, clouds = rng.uniform(0.0, 0.9, 2), rng.uniform(0.2, 1)
        flood = warm * (rng.uniform(0.1, 0.35) if rng.random() < 0.5 else 0.0)
        street = warm * rng.uniform(0, 0.15)
        if rng.random() < 0.4:
            shadow = (shadow[0], shadow[1], 1.0)
    else:
        sun, height = none, 0.5
        ambient = np.array([0.82, 0.86, 1.1]) * rng.uniform(0.12, 0.3)
        lamp = warm if rng.random() < 0.7 else np.array([0.85, 0.95, 1.1])
        flood = lamp * (rng.uniform(0.35, 0.9) if rng.random() < 0.88 else 0.15)
        street = warm * rng.uniform(0.08, 0.35)
        zenith = np.array([12, 14, 24]) * rng.uniform(0.4, 2.0)
        horizon = np.array([44, 38, 46]) * rng.uniform(0.4, 1.6)
        glow, clouds = rng.uniform(0.0, 1.0, 2), rng.uniform(0, 0.7)
    direction = (np.cos(height) * np.sin(azimuth), np.sin(height), -np.cos(height) * np.cos(azimuth))
    glow_colour = np.array([255, rng.uniform(190, 235), rng.uniform(90, 190)])
    return Light(kind, *(tuple(float(value) for value in values) for values in
                         (direction, sun, ambient, flood, street, glow, glow_colour, zenith, horizon)),
                 clouds=float(clouds), haze=float(rng.uniform(0.02, 0.25)), shadow=shadow)


def light_map(light: Light, normal, width: float, height: float, is_landmark: bool) -> np.ndarray:
    """What falls on a wall: RGB factors, float32 [24, 24, 3], first row at the top.

    Args:
        light: of the photograph.
        normal: outward unit vector of the wall, [3].
        width, height: metres.
        is_landmark: floodlights shine on landmarks only.
    """
    x, y = _ACROSS, _UPWARDS
    facing = max(0.0, float(np.dot(normal, light.sun)))
    slope, place, depth = light.shadow
    lit = 1.0 / (1.0 + np.exp(-14.0 * (y - place - slope * (x - 0.5)))) if depth else np.ones_like(x)
    openness = 0.8 + 0.2 * np.minimum(1.0, y * height / 5.0)  # the foot of a wall sees less sky
    side = 0.9 + 0.1 * float(normal[2] < -0.5)
    total = np.asarray(light.ambient) * (openness * side)[..., None]
    total = total + np.asarray(light.sun_colour) * (facing * lit)[..., None]
    if any(light.street):
        total = total + np.asarray(light.street) * np.exp(-y * height / 4.0)[..., None]
    if is_landmark and any(light.flood):
        beams = 0.65 + 0.35 * np.cos(2 * np.pi * x * max(1.0, round(width / 5.0)))
        flood = (1.15 * np.exp(-y * height / 16.0)) * beams
        total = total + np.asarray(light.flood) * flood[..., None]
    return np.broadcast_to(total, (_MAP, _MAP, 3)).astype(np.float32)


def relief_direction(light: Light, right, up, is_landmark: bool) -> tuple[float, float]:
    """How strongly slopes along `right` and `up` of a wall catch the light."""
    strength = max(light.sun_colour)
    x, y = strength * float(np.dot(light.sun, right)), strength * float(np.dot(light.sun, up)) + 0.12
    if is_landmark:
        y -= 0.8 * max(light.flood)
    return x, y


def draw_sky(
    light: Light, width: int, height: int, horizon_row: float, rng: np.random.Generator
) -> np.ndarray:
    """The sky above a horizon row, float32 [height, width, 3] in 0..255."""
    rows = np.clip((horizon_row - np.arange(height)) / max(width, height), 0, 1)[:, None, None]
    share = np.minimum(1.0, rows * 1.3).astype(np.float32)
    sky = np.asarray(light.horizon, np.float32) * (1 - share) + np.asarray(light.zenith, np.float32) * share
    sky = np.broadcast_to(sky, (height, width, 3)).copy()
    if light.clouds > 0.1:
        noise = fractal_noise((height // 2 + 1, width // 2 + 1), 0.2 * max(width, height), rng, octaves=4)
        cover = np.clip((noise - 0.9 + light.clouds) * 0.7, 0, 1)
        cover = cv2.resize(cover, (width, height))[..., None]
        colour = np.asarray(light.horizon, np.float32) * (0.9 if light.kind == "night" else 1.06)
        sky += cover * (colour - sky)
    return sky
