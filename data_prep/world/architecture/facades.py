"""Fronts and sides of buildings, drawn bay by bay and floor by floor."""

from __future__ import annotations

import dataclasses

import numpy as np

from data_prep.world.architecture import ornaments
from data_prep.world.architecture.masonry import MATERIALS, Material, lay_blocks, stain
from data_prep.world.architecture.signatures import draw_signature
from data_prep.world.architecture.styles import Style
from data_prep.world.architecture.windows import draw_portal, draw_window, opening_outline
from data_prep.world.photography.canvas import Canvas, tinted


@dataclasses.dataclass(frozen=True)
class Facade:
    """What one wall holds.

    Attributes:
        width, height: metres, the gable left out.
        floors, bays: the grid of openings.
        gable: "none", "triangle", "stepped", "curved", "balustrade" or "battlements"; its height in metres.
        portals: doors in the ground floor.
        arcade: whether the ground floor is a row of arches.
        centrepiece: "none", "rose", "clock", "ornament" or "window", above the door.
        richness: in 0..1, share of the places for ornament that are used.
        inlay: share of window places given to ornaments.
        signatures: bold features, of signatures.SIGNATURES; "mural", "emblem" and "banners" cover windows.
    """

    width: float
    height: float
    floors: int
    bays: int
    gable: str = "none"
    gable_height: float = 0.0
    portals: int = 0
    arcade: bool = False
    centrepiece: str = "none"
    richness: float = 0.7
    inlay: float = 0.2
    signatures: tuple[str, ...] = ()


def gable_outline(kind: str, width: float, base: float, height: float) -> np.ndarray:
    """The outline of what stands above the wall's top edge, [n, 2] metres."""
    middle = width / 2
    if kind == "stepped":
        steps, points = 4, []
        for step in range(steps):
            inset = step * width / (2 * steps + 1)
            points += [(inset, base + height * step / steps), (inset, base + height * (step + 1) / steps)]
        return np.array(points + [(width - x, y) for x, y in reversed(points)])
    if kind == "curved":
        turns = np.linspace(0, np.pi, 25)
        bulge = np.abs(np.sin(turns)) ** 0.8
        return np.stack([middle - middle * np.cos(turns) * (1 - 0.25 * np.sin(turns) ** 2),
                         base + height * bulge], -1)
    if kind == "triangle":
        return np.array([(0, base), (width, base), (middle, base + height)])
    return np.array([(0, base), (width, base), (width, base + height), (0, base + height)])


def draw_facade(style: Style, facade: Facade, resolution: float, rng: np.random.Generator) -> Canvas:
    """Draws a wall; the canvas is `facade.height + facade.gable_height` high.

    Args:
        style: shared by siblings.
        facade: the plan of this wall.
        resolution: pixels per metre.
        rng: fixes what the plan leaves open, ornaments above all.
    """
    canvas = Canvas(facade.width, facade.height + facade.gable_height, resolution)
    width, height = facade.width, facade.height
    material, second = MATERIALS[style.material], style.second_accent
    lay_blocks(canvas, [(0, 0), (width, 0), (width, height), (0, height)], material, style.wall, second, rng)
    if facade.gable in ("triangle", "stepped", "curved"):
        outline = gable_outline(facade.gable, width, height, facade.gable_height)
        lay_blocks(canvas, outline, material, style.wall, second, rng)
        canvas.line(outline, 0.4, tinted(style.trim, 1.05), 1.5, closed=True)
    plinth = 0.14 * height / facade.floors
    lay_blocks(canvas, [(0, 0), (width, 0), (width, plinth), (0, plinth)], MATERIALS["rustic"],
               tinted(style.wall, 0.82), second, rng)
    crown = min(0.9 * style.floor * 0.35, 0.1 * height + 0.3)
    floor = (height - plinth - crown) / facade.floors
    _draw_corners(canvas, style, facade, floor, plinth, crown, rng)
    over = [kind for kind in facade.signatures if kind in ("mural", "emblem", "banners")]
    for kind in facade.signatures:
        if kind not in over:
            draw_signature(canvas, kind, style, width, height, floor, rng)
    _draw_openings(canvas, style, facade, floor, plinth, rng)
    for kind in over:
        draw_signature(canvas, kind, style, width, height, floor, rng)
    if rng.random() < facade.richness:
        ornaments.draw_frieze(canvas, (0.3, height - crown * 0.95, width - 0.3, height - 0.3 * crown),
                              int(rng.integers(3)), style.trim, style.accent, rng)
    _draw_cornice(canvas, style.cornice, width, height, crown, style.trim)
    _draw_crown(canvas, style, facade, rng)
    _draw_centrepiece(canvas, style, facade, floor, plinth, rng)
    for _ in range(rng.binomial(2, 0.35 * facade.richness)):
        x, y = rng.uniform(0.05, 0.85) * width, plinth + rng.uniform(0.2, 0.5) * height
        size = rng.uniform(1.0, 1.8)
        ornaments.draw_banner(canvas, (x, y, x + size, y + size * rng.uniform(1.4, 3.2)), rng)
    if rng.random() < 0.25:
        ornaments.draw_ivy(canvas, rng.choice([0.05, 0.95]) * width, rng.uniform(0.1, 0.5) * height,
                           rng.uniform(1.0, 2.2), rng)
    stain(canvas, rng, rng.uniform(0.05, 0.13))
    return canvas


def _draw_corners(canvas, style, facade, floor, plinth, crown, rng) -> None:
    trim, top = tinted(style.trim, 1.02), facade.height - crown
    if style.pilasters:
        for bay in range(facade.bays + 1):
            x = np.clip(facade.width * bay / facade.bays, 0.35, facade.width - 0.35)
            canvas.rectangle(x - 0.32, plinth, x + 0.32, top, trim, 1.6)
            canvas.rectangle(x - 0.5, top - 0.55, x + 0.5, top, tinted(trim, 1.08), 2.4)
            canvas.rectangle(x - 0.45, plinth, x + 0.45, plinth + 0.4, tinted(trim, 0.9), 2.2)
    else:
        quoins = Material(1.4, 0.7, 0.05, 0.7)
        for left in (0.0, facade.width - 0.9):
            lay_blocks(canvas, [(left, plinth), (left + 0.9, plinth), (left + 0.9, top), (left, top)], quoins,
                       trim, trim, rng)
    for level in range(1, facade.floors):
        if level == 1 or rng.random() < 0.7:
            y = plinth + level * floor
            canvas.rectangle(0, y - 0.14, facade.width, y + 0.14, tinted(style.trim, 1.06), 1.8)


def _draw_openings(canvas, style, facade, floor, plinth, rng) -> None:
    bay = facade.width / facade.bays
    doors = set()
    if facade.portals:
        spread = np.linspace(0, facade.bays - 1, facade.portals + 2)[1:-1]
        doors = {int(np.round(place + rng.normal(0, 0.3))) for place in spread}
    inlaid = rng.random((facade.floors, facade.bays)) < facade.inlay
    if rng.random() < 0.7:
        inlaid |= inlaid[:, ::-1]
    kinds = rng.choice(style.ornaments, facade.floors)
    shares = style.openness * rng.uniform(0.85, 1.15, facade.floors)
    tall = np.minimum(0.86, style.tallness * rng.uniform(0.85, 1.15, facade.floors))
    for level in range(facade.floors):
        bottom = plinth + level * floor
        kind = style.windows[0 if level == 0 else 2 if level == facade.floors - 1 else 1]
        for column in range(facade.bays):
            middle = (column + 0.5) * bay
            half = 0.5 * bay * shares[level]
            if level == 0 and column in doors:
                draw_portal(canvas, (middle - 0.36 * bay, 0, middle + 0.36 * bay, bottom + 0.82 * floor),
                            kind if kind in ("arched", "pointed", "segment", "square") else "arched",
                            style.trim, style.door, rng)
            elif level == 0 and facade.arcade:
                outline = opening_outline("arched", middle - 0.4 * bay, 0, middle + 0.4 * bay,
                                          bottom + 0.86 * floor)
                canvas.line(outline, 0.35, style.trim, 1.6)
                canvas.polygon(outline, tinted(style.glass, 0.6), -3.0, glow_group=int(rng.integers(2)),
                               glow=110)
            elif inlaid[level, column]:
                side = min(0.42 * bay, 0.4 * floor)
                centre = bottom + 0.5 * floor
                ornaments.draw_ornament(canvas, (middle - side, centre - side, middle + side, centre + side),
                                        kinds[level], style.trim, style.accent, rng)
            else:
                half *= 1.35 if kind == "wide" else 0.45 if kind == "slit" else 1.0
                low = bottom + 0.5 * (1 - tall[level]) * floor
                draw_window(canvas, (middle - half, low, middle + half, low + tall[level] * floor * 0.92),
                            kind, style.frame, style.hood if level else "none", style.mullion, style.trim,
                            style.glass, rng)


def _draw_cornice(canvas, kind, width, height, crown, trim) -> None:
    y, light = height - 0.3 * crown, tinted(trim, 1.12)
    canvas.rectangle(0, y, width, height, light, 3.0)
    step = {"dentils": 0.7, "brackets": 1.6, "arcade": 1.2, "plain": 0.0}[kind]
    for x in np.arange(0.1, width, step) if step else ():
        if kind == "arcade":
            canvas.polygon(opening_outline("arched", x, y - 0.3 * crown, x + 0.6 * step, y),
                           tinted(trim, 0.6), -1.0)
        else:
            canvas.rectangle(x, y - 0.25 * crown, x + 0.5 * step, y, tinted(trim, 0.95), 2.4)


def _draw_crown(canvas, style, facade, rng) -> None:
    width, base, top = facade.width, facade.height, facade.gable_height
    trim = tinted(style.trim, 1.05)
    if facade.gable == "balustrade":
        canvas.rectangle(0, base, width, base + 0.12 * top, trim, 1.0)
        canvas.rectangle(0, base + 0.5 * top, width, base + 0.62 * top, trim, 1.0)
        for x in np.arange(0.2, width, 0.7):
            canvas.rectangle(x, base, x + 0.35, base + 0.55 * top, tinted(trim, 0.9), 1.0)
        count = int(rng.integers(2, 7))
        for x in np.linspace(0.6, width - 0.6, count):
            if rng.random() < 0.8:
                ornaments.draw_figure(canvas, (x - 0.5 * top, base, x + 0.5 * top, base + top), trim, rng)
    elif facade.gable == "battlements":
        canvas.rectangle(0, base, width, base + 0.45 * top, style.wall, 0.5)
        step = rng.uniform(1.2, 2.0)
        for x in np.arange(0, width, step):
            canvas.rectangle(x, base, x + 0.55 * step, base + top, style.wall, 0.5)
    elif facade.gable in ("triangle", "stepped", "curved"):
        size = 0.3 * min(facade.gable_height, 0.5 * width)
        y = base + 0.36 * facade.gable_height
        if rng.random() < 0.5:
            kind = str(rng.choice(["medallion", "sunburst", "relief"]))
            ornaments.draw_ornament(canvas, (width / 2 - size, y - size, width / 2 + size, y + size), kind,
                                    style.trim, style.accent, rng)
        else:
            wide = 0.3 * width
            ornaments.draw_glyph(canvas,
                                 (width / 2 - wide, base + 0.1 * top, width / 2 + wide, y + 0.2 * top),
                                 tinted(style.trim, 1.2), tinted(style.trim, 0.5), rng)


def _draw_centrepiece(canvas, style, facade, floor, plinth, rng) -> None:
    middle = facade.width * (0.5 if rng.random() < 0.75 else rng.uniform(0.3, 0.7))
    level = facade.floors * rng.uniform(0.55, 0.75)
    y, radius = plinth + level * floor, min(0.2 * facade.width, 0.24 * facade.height) * rng.uniform(0.7, 1.1)
    if facade.centrepiece == "rose":
        ornaments.draw_rose(canvas, middle, y, radius, style.trim, style.glass, rng)
    elif facade.centrepiece == "clock":
        ornaments.draw_clock(canvas, middle, y, 0.7 * radius, style.trim, rng)
    elif facade.centrepiece == "ornament":
        wide = radius * rng.uniform(1.0, 1.9)
        ornaments.draw_ornament(canvas, (middle - wide, y - 0.8 * radius, middle + wide, y + 0.8 * radius),
                                str(rng.choice(style.ornaments)), style.trim, style.accent, rng)
    elif facade.centrepiece == "window":
        draw_window(canvas,
                    (middle - radius * 0.6, y - 1.3 * radius, middle + 0.6 * radius, y + 1.3 * radius),
                    "pointed", style.frame, "none", "grid", style.trim, style.glass, rng)
