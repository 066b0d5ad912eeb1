"""What makes a landmark a landmark: one or two bold features that no sibling repeats."""

from __future__ import annotations

import numpy as np

from data_prep.world.architecture import ornaments
from data_prep.world.architecture.styles import Style
from data_prep.world.photography.canvas import Canvas, tinted

SIGNATURES = ("mural", "spandrels", "emblem", "bay", "chequer", "banners")


def draw_signature(canvas: Canvas, kind: str, style: Style, width: float, height: float, floor: float,
                   rng: np.random.Generator) -> None:
    """Draws one bold feature on a wall, under or between its windows.

    Args:
        canvas: of the wall.
        kind: one of SIGNATURES.
        style: gives the colours; `accent` and `second_accent` are the landmark's own.
        width, height: of the wall, metres.
        floor: height of a floor, metres.
        rng: fixes the rest.
    """
    {"mural": _mural, "spandrels": _spandrels, "emblem": _emblem, "bay": _bay, "chequer": _chequer,
     "banners": _banners}[kind](canvas, style, width, height, floor, rng)


def _colours(style: Style, rng) -> list:
    colours = [style.accent, style.second_accent, tinted(style.trim, 1.2), tinted(style.wall, 0.4)]
    return [colours[row] for row in rng.permutation(len(colours))]


def _mural(canvas, style, width, height, floor, rng) -> None:
    """A painted field of a few large shapes."""
    wide, tall = rng.uniform(0.3, 0.5) * width, min(rng.uniform(1.0, 1.8) * floor, 0.5 * height)
    x = rng.uniform(0.06, 0.94 - wide / width) * width
    y = rng.uniform(0.35, 0.85 - tall / height) * height if tall < 0.45 * height else 0.4 * height
    ground, *others = _colours(style, rng)
    canvas.rectangle(x - 0.2, y - 0.2, x + wide + 0.2, y + tall + 0.2, tinted(style.trim, 0.9), 0.8)
    canvas.rectangle(x, y, x + wide, y + tall, ground, 0.0)
    for _ in range(int(rng.integers(2, 4))):
        first, second = rng.permutation(len(others))[:2]
        left = x + rng.uniform(0, 0.5) * wide
        box = (left, y, min(x + wide, left + 0.7 * wide), y + tall)
        ornaments.draw_glyph(canvas, box, others[first], others[second], rng)


def _spandrels(canvas, style, width, height, floor, rng) -> None:
    """Coloured panels in rows, like a bar code of the landmark's own."""
    ground, *others = _colours(style, rng)
    rows = rng.choice([0.33, 0.5, 0.66, 0.8], int(rng.integers(1, 4)), replace=False)
    for row in rows:
        y, tall = row * height, rng.uniform(0.2, 0.4) * floor
        cells = int(rng.integers(5, 14))
        for cell in range(cells):
            colour = (ground, *others)[rng.integers(4)]
            left = width * cell / cells
            canvas.rectangle(left, y, left + 0.96 * width / cells, y + tall, colour, 0.6)


def _emblem(canvas, style, width, height, floor, rng) -> None:
    """One giant disc or shield with an emblem."""
    ground, first, second, _ = _colours(style, rng)
    radius = min(0.28 * width, rng.uniform(0.6, 1.0) * floor)
    x, y = rng.uniform(0.3, 0.7) * width, rng.uniform(0.5, 0.72) * height
    sides = int(rng.choice([4, 6, 8, 40]))
    canvas.disc(x, y, 1.12 * radius, first, 1.6, sides=sides)
    canvas.disc(x, y, radius, ground, 0.4, sides=sides)
    for _ in range(2):
        ornaments.draw_glyph(canvas, (x - 0.7 * radius, y - 0.7 * radius, x + 0.7 * radius, y + 0.7 * radius),
                             second, first, rng)


def _bay(canvas, style, width, height, floor, rng) -> None:
    """One or two upright strips of the wall in another colour."""
    colour, other = _colours(style, rng)[:2]
    for _ in range(int(rng.integers(1, 3))):
        wide = rng.uniform(0.12, 0.25) * width
        x = rng.uniform(0.0, 1 - wide / width) * width
        canvas.rectangle(x, 0, x + wide, height, colour, 0.6)
        if rng.random() < 0.5:
            canvas.rectangle(x + 0.4 * wide, 0, x + 0.6 * wide, height, other, 0.8)


def _chequer(canvas, style, width, height, floor, rng) -> None:
    """A part of the wall in two colours: squares, lozenges or stripes."""
    colour, other = _colours(style, rng)[:2]
    low = rng.uniform(0.1, 0.6) * height
    high = min(height, low + rng.uniform(0.15, 0.4) * height)
    step, kind = rng.uniform(0.8, 2.0), rng.integers(3)
    for row, y in enumerate(np.arange(low, high, step)):
        for column, x in enumerate(np.arange(0, width, step)):
            shade = colour if (row + column) % 2 else other
            if kind == 0:
                canvas.rectangle(x, y, x + step, y + step, shade, 0.0)
            elif kind == 1:
                canvas.polygon([(x, y + step / 2), (x + step / 2, y), (x + step, y + step / 2),
                                (x + step / 2, y + step)], shade, 0.2)
            elif column % 2 == 0:
                canvas.rectangle(x, y, x + step, y + step, colour, 0.0)


def _banners(canvas, style, width, height, floor, rng) -> None:
    """Long cloths in the landmark's colours."""
    ground, other, third, _ = _colours(style, rng)
    tall, wide = rng.uniform(0.9, 1.6) * floor, rng.uniform(0.08, 0.14) * width
    y = rng.uniform(0.3, 0.5) * height
    for x in np.linspace(0.1, 0.9 - wide / width, int(rng.integers(2, 5))) * width:
        canvas.rectangle(x, y, x + wide, y + tall, ground, 0.5)
        ornaments.draw_glyph(canvas, (x, y + 0.1 * tall, x + wide, y + 0.9 * tall), other, third, rng)
