"""Openings of a facade: windows of several kinds, doors and portals."""

from __future__ import annotations

import numpy as np

from data_prep.world.photography.canvas import NUM_GLOW_GROUPS, Canvas, tinted

WINDOW_KINDS = ("square", "arched", "pointed", "twin", "segment", "round", "wide", "slit")
HOODS = ("none", "lintel", "pediment", "bow", "keystone")
MULLIONS = ("cross", "grid", "single", "diamond", "bars")


def opening_outline(kind: str, x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    """The outline of an opening that fills a box, [n, 2] metres, anticlockwise from the bottom left."""
    middle, half = (x0 + x1) / 2, (x1 - x0) / 2
    if kind in ("square", "wide", "slit"):
        return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
    if kind == "round":
        angles = np.linspace(-np.pi / 2, 1.5 * np.pi, 28, endpoint=False)
        radius_y = min((y1 - y0) / 2, half)
        return np.stack([middle + half * np.cos(angles), (y0 + y1) / 2 + radius_y * np.sin(angles)], -1)
    rise = {"arched": half, "twin": half, "segment": 0.35 * half, "pointed": 1.5 * half}[kind]
    spring = max(y0, y1 - rise)
    rise = y1 - spring
    if kind == "pointed":
        turns = np.linspace(0, np.pi / 3, 9)  # two arcs of radius 2 * half that meet at the top
        right = np.stack([x0 + 2 * half * np.cos(turns), spring + rise * np.sin(turns) / np.sin(np.pi / 3)],
                         -1)
        left = np.stack([x1 - 2 * half * np.cos(turns), right[:, 1]], -1)[::-1]
        curve = np.concatenate([right, left[1:]])
    else:
        turns = np.linspace(0, np.pi, 17)
        curve = np.stack([middle + half * np.cos(turns), spring + rise * np.sin(turns)], -1)
    return np.concatenate([[(x0, y0), (x1, y0)], curve])


def draw_window(canvas: Canvas, box, kind: str, frame: float, hood: str, mullion: str, trim, glass,
                rng: np.random.Generator) -> None:
    """One window in a box (x0, y0, x1, y1), with a frame (relative to its width), bars, sill and hood."""
    x0, y0, x1, y1 = box
    width, height = x1 - x0, y1 - y0
    frame = min(0.4, frame * width)
    group = int(rng.integers(NUM_GLOW_GROUPS))
    canvas.polygon(opening_outline(kind, x0 - frame, y0 - frame * 0.5, x1 + frame, y1 + frame), trim, 1.0)
    pane = tinted(glass, rng.uniform(0.7, 1.3))
    canvas.polygon(opening_outline(kind, x0, y0, x1, y1), pane, -1.5, glow_group=group,
                   glow=rng.integers(120, 256))
    bar, thin = tinted(trim, 0.85), max(0.08, 0.05 * width)
    middle = (x0 + x1) / 2
    if kind == "twin":
        for left, right in ((x0 + thin, middle - thin), (middle + thin, x1 - thin)):
            top = y0 + 0.68 * height
            canvas.line(opening_outline("arched", left, y0, right, top), 1.6 * thin, bar, 0.2, closed=True)
        canvas.disc(middle, y0 + 0.8 * height, 0.17 * width, bar, 0.2)
        canvas.disc(middle, y0 + 0.8 * height, 0.11 * width, pane, -1.0, glow_group=group)
    elif kind == "round":
        for angle in np.arange(4) * np.pi / 4:
            step = 0.46 * width * np.array([np.cos(angle), np.sin(angle)])
            centre = np.array([middle, (y0 + y1) / 2])
            canvas.line([centre - step, centre + step], thin, bar, -0.5)
    else:
        _draw_bars(canvas, x0, y0, x1, y1, mullion, thin, bar)
    canvas.rectangle(x0 - 0.1 - frame, y0 - 0.1 - 0.5 * frame, x1 + 0.1 + frame, y0, tinted(trim, 1.06), 1.8)
    _draw_hood(canvas, x0 - 0.1 - frame, x1 + 0.1 + frame, y1 + 0.05 + frame, hood, trim)


def _draw_bars(canvas, x0, y0, x1, y1, mullion, thin, colour) -> None:
    width, height, middle = x1 - x0, y1 - y0, (x0 + x1) / 2
    if mullion in ("cross", "single", "grid"):
        canvas.line([(middle, y0), (middle, y1 - 0.06 * height)], thin, colour, -0.5)
    if mullion == "cross":
        canvas.line([(x0, y0 + 0.62 * height), (x1, y0 + 0.62 * height)], thin, colour, -0.5)
    elif mullion in ("grid", "bars"):
        for part in (0.25, 0.5, 0.75):
            canvas.line([(x0, y0 + part * height), (x1, y0 + part * height)], thin, colour, -0.5)
    elif mullion == "diamond":
        for part in (0.0, 0.33, 0.66):
            low, high = y0 + part * 0.8 * height, y0 + (part + 0.33) * 0.8 * height
            canvas.line([(x0, low), (x0 + width, high)], thin, colour, -0.5)
            canvas.line([(x1, low), (x0, high)], thin, colour, -0.5)


def _draw_hood(canvas, x0, x1, y, hood, trim) -> None:
    width, light = x1 - x0, tinted(trim, 1.08)
    if hood == "lintel":
        canvas.rectangle(x0, y, x1, y + 0.14 * width, light, 2.0)
    elif hood == "pediment":
        canvas.polygon([(x0, y), (x1, y), ((x0 + x1) / 2, y + 0.32 * width)], light, 2.2)
        canvas.polygon([(x0 + 0.2 * width, y + 0.05 * width), (x1 - 0.2 * width, y + 0.05 * width),
                        ((x0 + x1) / 2, y + 0.22 * width)], tinted(trim, 0.72), 0.8)
    elif hood == "bow":
        canvas.polygon(opening_outline("segment", x0, y, x1, y + 0.28 * width), light, 2.2)
    elif hood == "keystone":
        middle = (x0 + x1) / 2
        canvas.polygon([(middle - 0.08 * width, y - 0.3 * width), (middle + 0.08 * width, y - 0.3 * width),
                        (middle + 0.15 * width, y + 0.16 * width), (middle - 0.15 * width, y + 0.16 * width)],
                       light, 2.2)


def draw_portal(canvas: Canvas, box, kind: str, trim, door, rng: np.random.Generator) -> None:
    """A door with stepped surrounds, two leaves and a window above them."""
    x0, y0, x1, y1 = box
    width = x1 - x0
    for step in range(int(rng.integers(1, 4)), 0, -1):
        grow = 0.09 * width * step
        shade = tinted(trim, 1.05 if step % 2 else 0.78)
        canvas.polygon(opening_outline(kind, x0 - grow, y0, x1 + grow, y1 + grow), shade, 0.8 * step)
    canvas.polygon(opening_outline(kind, x0, y0, x1, y1), tinted(door, 0.55), -2.0)
    top = y0 + rng.uniform(0.55, 0.72) * (y1 - y0)
    canvas.rectangle(x0 + 0.03 * width, y0, x1 - 0.03 * width, top, door, -1.6)
    group = int(rng.integers(NUM_GLOW_GROUPS))
    inset = 0.1 * width
    canvas.polygon(opening_outline("arched" if kind != "square" else "square", x0 + inset, top + 0.05 * width,
                                   x1 - inset, max(y1 - inset, top + 0.1 * width)),
                   (70, 74, 84), -1.8, glow_group=group)
    canvas.line([((x0 + x1) / 2, y0), ((x0 + x1) / 2, top)], 0.1, tinted(door, 0.5), -2.0)
    rows, columns = int(rng.integers(1, 4)), 2 * int(rng.integers(1, 3))
    for row in range(rows):
        for column in range(columns):
            left = x0 + width * (column + 0.2) / columns
            bottom = y0 + (top - y0) * (row + 0.18) / rows
            canvas.rectangle(left, bottom, left + 0.6 * width / columns, bottom + 0.64 * (top - y0) / rows,
                             tinted(door, 1.3), -1.2)
