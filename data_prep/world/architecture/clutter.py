"""What stands about in a city and on the ground: trees, people, cars, lamps, and the ground itself."""

from __future__ import annotations

import numpy as np

from data_prep.world.architecture.buildings import Panel, make_panel
from data_prep.world.architecture.masonry import Material, fractal_noise, lay_blocks
from data_prep.world.photography.canvas import Canvas, Texture, tinted

KINDS = ("tree", "person", "car", "lamp")
GROUND_KINDS = 6
_CLOTHES = ((40, 44, 60), (120, 40, 44), (60, 90, 120), (170, 160, 140), (70, 70, 72), (150, 120, 60),
            (46, 80, 58))


def draw_clutter(kind: str, rng: np.random.Generator) -> Texture:
    """A texture of one thing, as large as it is in life."""
    return {"tree": _tree, "person": _person, "car": _car, "lamp": _lamp}[kind](rng)


def _tree(rng) -> Texture:
    width, height = rng.uniform(4, 8), rng.uniform(6, 11)
    canvas = Canvas(width, height, 18)
    middle, trunk = width / 2, rng.uniform(0.25, 0.4) * height
    lean = rng.uniform(-0.06, 0.06) * width
    canvas.polygon([(middle - 0.25, 0), (middle + 0.25, 0), (middle + lean + 0.12, 1.5 * trunk),
                    (middle + lean - 0.12, 1.5 * trunk)], (74, 58, 44), 1.0)
    green = np.array([[60, 86, 44], [78, 98, 52], [50, 74, 50], [112, 96, 44]][rng.integers(4)])
    conical = rng.random() < 0.25
    for _ in range(150):
        y = rng.uniform(0, 1)
        spread = (1 - y) * 0.4 if conical else 0.4 * np.sqrt(max(0.0, 1 - (2 * y - 1) ** 2))
        x = middle + rng.uniform(-1, 1) * spread * width
        radius = rng.uniform(0.25, 0.6) * width / 8  # at most 0.6 m: the crown ends below the canvas's edge
        canvas.disc(x, trunk + y * (height - trunk - 0.7), radius,
                    tinted(green, rng.uniform(0.55, 1.0) + 0.45 * y), 1.0, sides=9)
    holes = fractal_noise(canvas.alpha.shape, 10, rng, 2)
    canvas.alpha[holes > 1.5] = 0
    return canvas.texture()


def _person(rng) -> Texture:
    canvas = Canvas(0.9, rng.uniform(1.55, 1.9), 40)
    height, middle = canvas.height, 0.45
    coat, trousers = (np.array(_CLOTHES[rng.integers(len(_CLOTHES))]) for _ in range(2))
    skin = tinted((206, 164, 136), rng.uniform(0.45, 1.05))
    stride = rng.uniform(0.02, 0.2)
    for side in (-1, 1):
        canvas.polygon([(middle + side * stride - 0.08, 0), (middle + side * stride + 0.08, 0),
                        (middle + 0.14, 0.5 * height), (middle - 0.14, 0.5 * height)], trousers, 1.0)
    hem = rng.uniform(0.35, 0.5) * height
    canvas.polygon([(middle - 0.2, hem), (middle + 0.2, hem), (middle + 0.24, 0.8 * height),
                    (middle - 0.24, 0.8 * height)], coat, 1.5)
    for side in (-1, 1):
        reach = rng.uniform(0.2, 0.38)
        canvas.polygon([(middle + side * 0.18, 0.8 * height), (middle + side * 0.28, 0.76 * height),
                        (middle + side * reach, rng.uniform(0.42, 0.6) * height),
                        (middle + side * (reach - 0.1), 0.46 * height)], tinted(coat, 0.85), 1.5)
    canvas.disc(middle, 0.9 * height, 0.11, skin, 2.0)
    canvas.disc(middle, 0.935 * height, 0.115, tinted((60, 44, 34), rng.uniform(0.4, 2.4)), 2.0,
                radius_y=0.07)
    return canvas.texture()


def _car(rng) -> Texture:
    van = rng.random() < 0.3
    width, height = rng.uniform(3.8, 5.2), 2.3 if van else 1.5
    canvas = Canvas(width, height, 26)
    paint = np.array([[150, 34, 34], [200, 200, 200], [50, 54, 60], [60, 84, 130],
                      [176, 170, 150]][rng.integers(5)])
    belt = 0.52 * height
    canvas.polygon([(0.02, 0.25), (width - 0.02, 0.25), (width - 0.05, belt), (0.05, belt)], paint, 1.0)
    front, back = (0.08, 0.97) if van else (0.24, 0.86)
    canvas.polygon([((front - 0.07) * width, belt), ((back + 0.08) * width, belt),
                    (back * width, 0.97 * height), (front * width, 0.97 * height)], tinted(paint, 1.1), 1.0)
    for left, right in ((front, 0.5), (0.53, back)):
        canvas.polygon([(left * width, belt + 0.05), (right * width, belt + 0.05),
                        (right * width, 0.88 * height), ((left + 0.02) * width, 0.88 * height)], (50, 58, 68),
                       0.0)
    for wheel in (0.2, 0.8):
        canvas.disc(wheel * width, 0.32, 0.32, (24, 24, 26), 1.0)
        canvas.disc(wheel * width, 0.32, 0.15, (130, 130, 132), 1.2)
    canvas.rectangle(0.02, belt - 0.2, 0.22, belt - 0.06, (240, 220, 180), 1.0, glow_group=0, glow=255)
    return canvas.texture()


def _lamp(rng) -> Texture:
    height, arm = rng.uniform(4, 8), rng.uniform(0.5, 1.4)
    canvas = Canvas(2 * arm + 0.8, height, 26)
    middle, iron = arm + 0.4, tinted((54, 58, 58), rng.uniform(0.6, 1.5))
    canvas.rectangle(middle - 0.09, 0, middle + 0.09, height - 0.5, iron, 1.0)
    canvas.rectangle(middle - 0.2, 0, middle + 0.2, 0.9, iron, 1.0)
    for side in ((-1, 1) if rng.random() < 0.5 else (1,)):
        canvas.rectangle(min(middle, middle + side * arm), height - 0.65, max(middle, middle + side * arm),
                         height - 0.55, iron, 1.0)
        canvas.disc(middle + side * arm, height - 0.4, 0.3, (236, 230, 206), 1.0, glow_group=0, glow=255)
    return canvas.texture()


def draw_ground(number: int, rng: np.random.Generator) -> Panel:
    """A plain 180 m square around (0, 0, 0): paving, cobbles, asphalt with lines, or a lawn with paths."""
    size, resolution = 180.0, 3.5
    canvas = Canvas(size, size, resolution)
    outline = [(0, 0), (size, 0), (size, size), (0, size)]
    grey = tinted((140, 136, 128), rng.uniform(0.75, 1.2))
    kind = number % 3
    if kind == 0:
        lay_blocks(canvas, outline, Material(rng.uniform(2, 5), rng.uniform(2, 5), 0.07, 0.75), grey, grey,
                   rng)
        for x in np.arange(rng.uniform(4, 10), size, rng.uniform(9, 16)):
            canvas.line([(x, 0), (x, size)], 0.6, tinted(grey, 0.75))
    elif kind == 1:
        asphalt = tinted((92, 92, 94), rng.uniform(0.8, 1.2))
        lay_blocks(canvas, outline, Material(40, 40, 0.02, 0.95), asphalt, asphalt, rng)
        near = 0.5 * size - rng.uniform(5, 9)
        canvas.rectangle(0, near, size, size, grey)
        canvas.rectangle(0, near - 0.4, size, near, tinted(grey, 1.2))
        for x in np.arange(0, size, 5.0):
            canvas.rectangle(x, near - 4.0, x + 2.5, near - 3.8, (214, 212, 200))
    else:
        lawn = tinted((84, 104, 58), rng.uniform(0.8, 1.15))
        lay_blocks(canvas, outline, Material(30, 30, 0.03, 1.0, grain=0.08), lawn, lawn, rng)
        middle, half = 0.5 * size + rng.uniform(-5, 5), rng.uniform(2, 6)
        canvas.polygon([(middle - half, 0), (middle + half, 0), (middle + half, size), (middle - half, size)],
                       grey)
        canvas.rectangle(0, 0.5 * size - rng.uniform(4, 9), size, 0.55 * size, grey)
    texture = canvas.texture()
    return make_panel("ground", "ground", (-size / 2, 0, -size / 2), (1, 0, 0), (0, 0, 1), texture)
