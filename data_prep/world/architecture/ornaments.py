"""Carvings and signs that tell one building from its siblings."""

from __future__ import annotations

import string

import cv2
import numpy as np

from data_prep.world.architecture.windows import opening_outline
from data_prep.world.photography.canvas import NUM_GLOW_GROUPS, Canvas, tinted

ORNAMENTS = ("relief", "statue", "medallion", "lattice", "glyphs", "sunburst", "mosaic")
_BANNER_COLOURS = ((140, 40, 40), (40, 62, 110), (44, 92, 60), (150, 120, 40), (90, 50, 96), (210, 205, 195))


def _blob(rng, x, y, radius, lobes=5, roughness=0.35) -> np.ndarray:
    angles = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    radii = np.ones_like(angles)
    for lobe in range(2, 2 + lobes):
        radii += roughness / lobe * 2 * rng.normal() * np.cos(lobe * angles + rng.uniform(0, 6.28))
    radii = radius * np.clip(radii, 0.3, 1.5)
    return np.stack([x + radii * np.cos(angles), y + radii * np.sin(angles)], -1)


def _star(x, y, radius, points, inner, turn=0.0) -> np.ndarray:
    angles = turn + np.pi / 2 + np.arange(2 * points) * np.pi / points
    radii = radius * np.where(np.arange(2 * points) % 2 == 0, 1.0, inner)
    return np.stack([x + radii * np.cos(angles), y + radii * np.sin(angles)], -1)


def draw_glyph(canvas: Canvas, box, light, dark, rng: np.random.Generator) -> None:
    """A random emblem, often mirrored: strokes, blobs, stars and rings that no other building repeats."""
    x0, y0, x1, y1 = box
    cx, cy, rx, ry = (x0 + x1) / 2, (y0 + y1) / 2, (x1 - x0) / 2, (y1 - y0) / 2
    small = min(rx, ry)
    mirrored = rng.random() < 0.6
    for _ in range(int(rng.integers(3, 7))):
        colour, relief = (light, 1.6) if rng.random() < 0.55 else (dark, -1.0)
        x, y = cx + rng.uniform(-0.75, 0.75) * rx, cy + rng.uniform(-0.75, 0.75) * ry
        radius = small * rng.uniform(0.18, 0.5)
        shape = rng.integers(6)
        if shape == 0:
            outline = _blob(rng, x, y, radius)
        elif shape == 1:
            outline = _star(x, y, radius, int(rng.integers(3, 9)), rng.uniform(0.3, 0.9), rng.uniform(0, 1))
        elif shape == 2:
            turn = rng.uniform(0, np.pi)
            along = 1.6 * radius * np.array([np.cos(turn), np.sin(turn)])
            across = 0.3 * radius * np.array([-np.sin(turn), np.cos(turn)])
            centre = np.array([x, y])
            outline = np.array([centre - along - across, centre + along - across, centre + along + across,
                                centre - along + across])
        elif shape == 3:
            outline = opening_outline("pointed", x - radius, y - 1.2 * radius, x + radius, y + 1.2 * radius)
        elif shape == 4:
            outline = np.array([(x - radius, y - radius), (x + radius, y - 0.6 * radius), (x, y + radius)])
        else:
            angles = np.linspace(0.3, 5.2, 16) + rng.uniform(0, 6.28)
            ring = np.stack([np.cos(angles), np.sin(angles)], -1)
            outline = np.concatenate([ring * radius, ring[::-1] * 0.55 * radius]) + (x, y)
        outline = np.clip(outline, (x0, y0), (x1, y1))
        canvas.polygon(outline, colour, relief)
        if mirrored:
            canvas.polygon(outline * (-1, 1) + (2 * cx, 0), colour, relief)


def draw_figure(canvas: Canvas, box, colour, rng: np.random.Generator) -> None:
    """A standing statue with its own pose, on a base."""
    x0, y0, x1, y1 = box
    height, middle = y1 - y0, (x0 + x1) / 2
    unit = min((x1 - x0) / 2, 0.3 * height)
    canvas.rectangle(middle - 0.8 * unit, y0, middle + 0.8 * unit, y0 + 0.1 * height, tinted(colour, 0.8),
                     1.0)
    lean = rng.uniform(-0.3, 0.3) * unit
    waist, shoulder = y0 + rng.uniform(0.4, 0.5) * height, y0 + 0.76 * height
    foot = rng.uniform(0.4, 0.75) * unit
    canvas.polygon([(middle - foot, y0 + 0.1 * height), (middle + foot, y0 + 0.1 * height),
                    (middle + lean + 0.32 * unit, waist), (middle + lean + 0.62 * unit, shoulder),
                    (middle + lean - 0.62 * unit, shoulder), (middle + lean - 0.32 * unit, waist)], colour,
                   2.5)
    for side in (-1, 1):
        hand = (middle + lean + side * rng.uniform(0.1, 1.2) * unit, y0 + rng.uniform(0.35, 1.0) * height)
        elbow = (middle + lean + side * rng.uniform(0.75, 1.0) * unit, y0 + rng.uniform(0.5, 0.75) * height)
        canvas.line([(middle + lean + side * 0.55 * unit, shoulder), elbow, hand], 0.26 * unit,
                    tinted(colour, 0.92), 2.8)
        if rng.random() < 0.35:
            canvas.line([(hand[0], y0 + 0.1 * height), (hand[0], min(y1, hand[1] + 0.3 * height))],
                        0.12 * unit, tinted(colour, 0.7), 2.0)
    canvas.disc(middle + lean, y0 + 0.87 * height, 0.28 * unit, tinted(colour, 1.08), 3.0)


def draw_ornament(canvas: Canvas, box, kind: str, stone, accent, rng: np.random.Generator) -> None:
    """One carved or inlaid panel in a box (x0, y0, x1, y1); `kind` is one of ORNAMENTS."""
    x0, y0, x1, y1 = box
    width, height = x1 - x0, y1 - y0
    cx, cy, radius = (x0 + x1) / 2, (y0 + y1) / 2, min(width, height) / 2
    light, dark, ground = tinted(stone, 1.22), tinted(stone, 0.42), tinted(stone, rng.uniform(0.55, 0.78))
    if kind == "statue":
        canvas.polygon(opening_outline("arched", x0 - 0.1, y0, x1 + 0.1, y1 + 0.1), tinted(stone, 1.1), 0.8)
        canvas.polygon(opening_outline("arched", x0 + 0.1, y0 + 0.1, x1 - 0.1, y1 - 0.1), dark, -2.5)
        draw_figure(canvas, (cx - 0.42 * width, y0 + 0.15, cx + 0.42 * width, y1 - 0.1 * height), light, rng)
        return
    if kind in ("medallion", "sunburst"):
        canvas.disc(cx, cy, radius, tinted(stone, 1.15), 1.2)
        canvas.disc(cx, cy, 0.84 * radius, ground, -0.6)
        if kind == "medallion":
            draw_glyph(canvas,
                       (cx - 0.62 * radius, cy - 0.62 * radius, cx + 0.62 * radius, cy + 0.62 * radius),
                       light, dark, rng)
        else:
            rays = int(rng.integers(5, 14))
            canvas.polygon(_star(cx, cy, 0.82 * radius, rays, rng.uniform(0.35, 0.7), rng.uniform(0, 1)),
                           light, 1.2)
            canvas.disc(cx, cy, rng.uniform(0.2, 0.45) * radius, accent, 0.2)
            canvas.disc(cx, cy, rng.uniform(0.08, 0.18) * radius, dark, 0.8)
        return
    canvas.rectangle(x0, y0, x1, y1, tinted(stone, 1.12), 1.0)
    edge = 0.09 * min(width, height)
    canvas.rectangle(x0 + edge, y0 + edge, x1 - edge, y1 - edge, ground, -0.8)
    inner = (x0 + 1.6 * edge, y0 + 1.6 * edge, x1 - 1.6 * edge, y1 - 1.6 * edge)
    if kind == "relief":
        draw_glyph(canvas, inner, light, dark, rng)
        if width > 1.3 * height or rng.random() < 0.4:
            draw_figure(canvas, (cx - 0.3 * height, inner[1], cx + 0.3 * height, inner[3]), light, rng)
    elif kind in ("lattice", "mosaic"):
        columns = max(2, round(rng.uniform(3, 6) * width / max(height, 0.5) ** 0.5 / 2))
        rows = max(2, round(columns * height / width))
        pattern = rng.random((rows, columns)) < 0.5
        if rng.random() < 0.6:
            pattern = pattern | pattern[:, ::-1]
        step_x, step_y = (inner[2] - inner[0]) / columns, (inner[3] - inner[1]) / rows
        for row, column in np.argwhere(pattern):
            left, bottom = inner[0] + column * step_x, inner[1] + row * step_y
            colour = light if kind == "lattice" else tinted(accent, rng.uniform(0.6, 1.6))
            canvas.rectangle(left, bottom, left + 0.94 * step_x, bottom + 0.94 * step_y, colour,
                             1.0 if kind == "lattice" else 0.0)
    else:
        draw_inscription(canvas, inner, dark, rng, lines=2)


def draw_inscription(canvas: Canvas, box, colour, rng: np.random.Generator, lines: int = 1) -> None:
    """Lines of large random letters that fill a box."""
    x0, y0, x1, y1 = box
    line_height = (y1 - y0) / lines
    letters = max(2, int((x1 - x0) / (0.85 * line_height)))
    for line in range(lines):
        text = "".join(rng.choice(list(string.ascii_uppercase), letters))
        (text_width, text_height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_DUPLEX, 1.0, 1)
        scale = min((x1 - x0) * canvas.resolution / text_width,
                    0.72 * line_height * canvas.resolution / text_height)
        column, row = canvas.pixels([(x0, y0 + line * line_height + 0.14 * line_height)])[0, 0] // 16
        thick = max(1, round(0.11 * line_height * canvas.resolution))
        cv2.putText(canvas.albedo, text, (int(column), int(row)), cv2.FONT_HERSHEY_DUPLEX, scale,
                    [float(value) for value in colour], thick, cv2.LINE_AA)
        cv2.putText(canvas.relief, text, (int(column), int(row)), cv2.FONT_HERSHEY_DUPLEX, scale, -0.8, thick)


def draw_rose(
    canvas: Canvas, x: float, y: float, radius: float, stone, glass, rng: np.random.Generator
) -> None:
    """A wheel window: rings of petals around a hub."""
    group = int(rng.integers(NUM_GLOW_GROUPS))
    canvas.disc(x, y, 1.14 * radius, tinted(stone, 1.12), 2.0, sides=48)
    canvas.disc(x, y, radius, tinted(stone, 0.7), -0.5, sides=48)
    petals, turn = int(rng.integers(5, 13)), rng.uniform(0, 1)
    for ring, part in ((rng.uniform(0.66, 0.74), rng.uniform(0.55, 0.95)), (rng.uniform(0.34, 0.42), 0.8)):
        for petal in range(petals):
            angle = turn + 2 * np.pi * (petal + (ring < 0.5) * 0.5) / petals
            size = part * radius * ring * np.sin(np.pi / petals)
            size = min(size, 0.24 * radius)
            shade = tinted(glass, rng.uniform(0.6, 1.5))
            canvas.disc(x + ring * radius * np.cos(angle), y + ring * radius * np.sin(angle), size, shade,
                        -2.0, sides=14, glow_group=group)
    canvas.disc(x, y, rng.uniform(0.12, 0.2) * radius, tinted(glass, 1.3), -2.0, glow_group=group)


def draw_clock(canvas: Canvas, x: float, y: float, radius: float, stone, rng: np.random.Generator) -> None:
    """A clock face; its hands always show the same time, as a stopped clock does."""
    face, ink = (232, 228, 214), (38, 36, 40)
    if rng.random() < 0.35:
        face, ink = (36, 44, 70), (214, 186, 110)
    canvas.disc(x, y, 1.18 * radius, tinted(stone, 1.1), 2.0, sides=40)
    canvas.disc(x, y, radius, face, 0.5, sides=40, glow_group=0, glow=150)
    for hour in range(12):
        direction = np.array([np.cos(hour * np.pi / 6), np.sin(hour * np.pi / 6)])
        canvas.line([np.array([x, y]) + direction * 0.78 * radius,
                     np.array([x, y]) + direction * 0.94 * radius], 0.09 * radius, ink)
    for length, width in ((0.5, 0.13), (0.74, 0.08)):
        angle = rng.uniform(0, 2 * np.pi)
        tip = (x + length * radius * np.cos(angle), y + length * radius * np.sin(angle))
        canvas.line([(x, y), tip], width * radius, ink)


def draw_frieze(canvas: Canvas, box, kind: int, stone, accent, rng: np.random.Generator) -> None:
    """A band across the facade: letters, emblems in a row, or alternating blocks and discs."""
    x0, y0, x1, y1 = box
    height = y1 - y0
    canvas.rectangle(x0, y0, x1, y1, tinted(stone, rng.uniform(0.72, 1.1)), 0.6)
    light, dark = tinted(stone, 1.24), tinted(stone, 0.45)
    if kind == 0:
        inset = rng.uniform(0.05, 0.25) * (x1 - x0)
        draw_inscription(canvas, (x0 + inset, y0 + 0.12 * height, x1 - inset, y1 - 0.12 * height), dark, rng)
        return
    cells = max(3, int((x1 - x0) / (1.5 * height)))
    for cell in range(cells):
        left = x0 + (x1 - x0) * cell / cells
        right = x0 + (x1 - x0) * (cell + 0.86) / cells
        if kind == 1:
            draw_glyph(canvas, (left, y0 + 0.08 * height, right, y1 - 0.08 * height), light, dark, rng)
        elif cell % 2 == 0:
            canvas.disc((left + right) / 2, (y0 + y1) / 2, 0.38 * height,
                        accent if rng.random() < 0.4 else light, 1.4)
        else:
            for bar in np.linspace(left, right, 4)[:-1]:
                canvas.rectangle(bar, y0 + 0.1 * height, bar + 0.18 * (right - left), y1 - 0.1 * height,
                                 light, 1.4)


def draw_banner(canvas: Canvas, box, rng: np.random.Generator) -> None:
    """A hanging cloth or poster with an emblem."""
    x0, y0, x1, y1 = box
    colour = _BANNER_COLOURS[rng.integers(len(_BANNER_COLOURS))]
    canvas.rectangle(x0, y0, x1, y1, colour, 0.4)
    if rng.random() < 0.5:
        canvas.polygon([(x0, y0), (x1, y0), ((x0 + x1) / 2, y0 + 0.12 * (y1 - y0))], tinted(colour, 0.6), 0.3)
    other = tinted(_BANNER_COLOURS[rng.integers(len(_BANNER_COLOURS))], 1.3)
    edge = 0.12 * (x1 - x0)
    draw_glyph(canvas, (x0 + edge, y0 + 0.15 * (y1 - y0), x1 - edge, y1 - edge), other, tinted(colour, 0.4),
               rng)


def draw_ivy(canvas: Canvas, x: float, y: float, radius: float, rng: np.random.Generator) -> None:
    """Climbing leaves: an irregular dark green patch."""
    for _ in range(9):
        dx, dy = rng.normal(0, 0.5, 2) * radius
        canvas.polygon(_blob(rng, x + dx, y + dy, 0.5 * radius, 6, 0.5),
                       tinted((62, 84, 44), rng.uniform(0.6, 1.4)), 1.0, opaque=None)
