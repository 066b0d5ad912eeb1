"""Designs of whole buildings, one function per archetype; siblings differ by their random draws."""

from __future__ import annotations

import numpy as np

from data_prep.world.architecture.buildings import Building, make_panel
from data_prep.world.architecture.construction import Yard
from data_prep.world.architecture.facades import Facade, draw_facade
from data_prep.world.architecture.signatures import SIGNATURES
from data_prep.world.architecture.styles import Style
from data_prep.world.architecture.windows import opening_outline


def build(style: Style, rng: np.random.Generator, texture_size: int, richness: float = 0.75) -> Building:
    """A building of a style.

    Args:
        style: what it shares with its siblings.
        rng: everything in which it differs from them.
        texture_size: pixels of the longer side of the largest front.
        richness: in 0..1, how much ornament it carries.
    """
    design = {"church": _church, "palace": _palace, "temple": _temple, "hall": _hall, "tower": _tower,
              "modern": _modern, "gate": _gate, "theatre": _theatre, "domed": _domed}[style.archetype]
    yard = Yard(style, rng, texture_size / 20.0, richness)
    width, depth = design(yard)
    height = max(float(panel.origin[1] + panel.up[1] * panel.texture.height) for panel in yard.panels)
    return Building(tuple(yard.panels), width, height, depth)


def _size(yard: Yard, breadths, floors, depths) -> tuple[float, int, float]:
    """Width, number of floors and depth of a block, drawn from (least, greatest or one above) of each."""
    return (yard.style.breadth * yard.rng.uniform(*breadths), int(yard.rng.integers(*floors)),
            yard.rng.uniform(*depths))


def _facade(yard: Yard, width: float, floors: int, **options) -> Facade:
    options = {"richness": yard.richness, "inlay": 0.05 + 0.25 * yard.richness * yard.rng.random(), **options}
    bays = options.pop("bays", max(2, round(width / yard.style.bay)))
    if yard.rng.random() < 1.2 * yard.richness:
        count = int(yard.rng.integers(1, 3))
        options["signatures"] = tuple(str(kind) for kind in yard.rng.choice(SIGNATURES, count, replace=False))
    return Facade(width, floors * yard.style.floor, floors, bays, **options)


def _church(yard: Yard):
    rng = yard.rng
    width, floors, depth = _size(yard, (9, 13), (2, 4), (15, 24))
    gable = rng.uniform(0.45, 0.8) * width
    nave = _facade(yard, width, floors, gable=str(rng.choice(["triangle", "triangle", "stepped", "curved"])),
                   gable_height=gable, portals=int(rng.choice([1, 1, 3])),
                   centrepiece=str(rng.choice(["rose", "rose", "window", "ornament"])))
    yard.box("nave", 0, 0, depth, nave, floors)
    yard.ridge_to_back("nave_roof", 0, 0.2, width, depth, nave.height, gable * 0.92)
    sides = [(-1,), (1,), (-1, 1), (-1, 1), ()][rng.integers(5)]
    slim = rng.uniform(4.5, 6.5)
    for side in sides:
        levels = floors + int(rng.integers(1, 4))
        tower = _facade(yard, slim, levels, bays=int(rng.integers(1, 3)),
                        gable=str(rng.choice(["battlements", "none"])), gable_height=1.2,
                        centrepiece=str(rng.choice(["none", "clock", "ornament"])))
        x, z = side * (width + slim) / 2, rng.uniform(-1.5, 1.0)
        yard.box(f"tower{side:+d}", x, z, slim, tower, levels)
        if rng.random() < 0.75:
            yard.pyramid(f"spire{side:+d}", x, z, slim, slim, tower.height, rng.uniform(0.8, 2.4) * slim)
    if not sides:
        yard.dome("dome", 0, depth * 0.4, nave.height + 0.3 * gable, rng.uniform(0.2, 0.3) * width)
    return width + slim * len(sides), depth


def _palace(yard: Yard):
    rng = yard.rng
    width, floors, depth = _size(yard, (16, 24), (2, 4), (8, 12))
    flat = rng.random() < 0.4
    body = _facade(yard, width, floors, gable="balustrade" if flat else "none",
                   gable_height=rng.uniform(1.6, 2.6) if flat else 0.0, portals=int(rng.integers(0, 3)),
                   arcade=bool(rng.random() < 0.3))
    yard.box("body", 0, 0, depth, body, floors)
    if not flat:
        yard.ridge_along_front("roof", 0, 0, width, depth, body.height, rng.uniform(3, 6))
    middle = rng.uniform(0.2, 0.36) * width
    levels = floors + int(rng.random() < 0.5)
    gable = rng.uniform(0.25, 0.55) * middle
    pavilion = _facade(yard, middle, levels, gable=str(rng.choice(["triangle", "curved", "stepped"])),
                       gable_height=gable, portals=1,
                       centrepiece=str(rng.choice(["none", "clock", "ornament"])))
    x = rng.choice([0.0, 0.0, -0.25, 0.25]) * width
    yard.box("pavilion", x, -1.5, 4.0, pavilion, levels)
    yard.ridge_to_back("pavilion_roof", x, -1.4, middle, 5.0, pavilion.height, gable * 0.9)
    return width, depth


def _temple(yard: Yard):
    rng = yard.rng
    width, depth = yard.style.breadth * rng.uniform(12, 18), rng.uniform(12, 18)
    floors = int(rng.integers(1, 3)) + 1
    body = _facade(yard, width, floors, gable="triangle", gable_height=rng.uniform(0.16, 0.26) * width,
                   portals=1)
    yard.box("body", 0, 0, depth, body, floors)
    yard.ridge_to_back("roof", 0, 0.2, width, depth, body.height, body.gable_height * 0.95)
    front = rng.uniform(0.55, 1.0) * width
    yard.portico("portico", 0, -3.0, front, body.height * rng.uniform(0.8, 1.0), int(rng.integers(4, 9)))
    return width, depth


def _hall(yard: Yard):
    rng = yard.rng
    width, floors, depth = _size(yard, (14, 21), (2, 4), (8, 12))
    slim = rng.uniform(4.5, 6.5)
    body = _facade(yard, width, floors, portals=int(rng.integers(1, 4)), arcade=bool(rng.random() < 0.5))
    yard.box("body", 0, 0, depth, body, floors)
    yard.ridge_along_front("roof", 0, 0, width, depth, body.height, rng.uniform(3, 6))
    levels = floors + int(rng.integers(2, 4))
    tower = _facade(yard, slim, levels, bays=int(rng.integers(1, 3)), gable="battlements", gable_height=1.3,
                    centrepiece="clock" if rng.random() < 0.8 else "ornament", portals=1)
    x = rng.choice([0.0, 0.0, -0.36, 0.36, -0.2, 0.2]) * width
    yard.box("tower", x, -1.2, slim, tower, levels)
    if rng.random() < 0.7:
        yard.pyramid("spire", x, -1.2, slim, slim, tower.height, rng.uniform(0.7, 2.0) * slim)
    else:
        yard.dome("cupola", x, slim / 2 - 1.2, tower.height, 0.42 * slim)
    return width, depth


def _tower(yard: Yard):
    rng = yard.rng
    width, floors = yard.style.breadth * rng.uniform(6.5, 9), int(rng.integers(4, 7))
    base = _facade(yard, rng.uniform(11, 16), int(rng.integers(1, 3)), portals=int(rng.integers(0, 2)),
                   gable=str(rng.choice(["battlements", "balustrade"])), gable_height=1.5)
    yard.box("base", rng.uniform(-3, 3), 1.5, 9.0, base, base.floors)
    shaft = _facade(yard, width, floors, bays=int(rng.integers(2, 4)), gable="battlements", gable_height=1.5,
                    portals=1, centrepiece=str(rng.choice(["clock", "ornament", "rose"])))
    yard.box("shaft", 0, 0, width, shaft, floors)
    if rng.random() < 0.5:
        yard.pyramid("tent", 0, 0.4, width, width - 0.8, shaft.height, rng.uniform(0.5, 1.3) * width)
    else:
        yard.dome("cap", 0, width / 2, shaft.height, 0.42 * width)
    return base.width, 10.0


def _modern(yard: Yard):
    rng = yard.rng
    width, floors, depth = _size(yard, (10, 16), (3, 6), (8, 13))
    body = _facade(yard, width, floors, inlay=rng.uniform(0.2, 0.4), portals=int(rng.integers(1, 3)),
                   centrepiece=str(rng.choice(["none", "ornament"])))
    yard.box("body", 0, 0, depth, body, floors)
    wing = _facade(yard, yard.style.breadth * rng.uniform(5, 9), int(rng.integers(2, 6)),
                   inlay=rng.uniform(0.2, 0.5))
    side = rng.choice([-1, 1])
    yard.box("wing", side * (width + wing.width) / 2, rng.uniform(-2, 3), rng.uniform(7, 12), wing,
             wing.floors)
    return width + wing.width, depth


def _gate(yard: Yard):
    rng = yard.rng
    width, floors, depth = _size(yard, (12, 18), (2, 4), (4, 6))
    plan = _facade(yard, width, floors, bays=int(rng.choice([3, 5])), inlay=rng.uniform(0.6, 0.95),
                   gable=str(rng.choice(["balustrade", "curved", "none", "triangle"])),
                   gable_height=rng.uniform(2, 4), centrepiece="none")
    if plan.gable == "none":
        plan = Facade(**{**plan.__dict__, "gable_height": 0.0})
    canvas = draw_facade(yard.style, plan, yard.resolution, rng)
    openings = [(0.0, rng.uniform(0.13, 0.19), rng.uniform(0.6, 0.78))]
    if rng.random() < 0.6:
        small, low = rng.uniform(0.06, 0.09), rng.uniform(0.35, 0.5)
        openings += [(-0.33, small, low), (0.33, small, low)]
    for x, half, tall in openings:
        x0, x1, top = (0.5 + x - half) * width, (0.5 + x + half) * width, tall * plan.height
        canvas.polygon(opening_outline("arched", x0 - 0.6, 0, x1 + 0.6, top + 0.6), yard.style.trim, 1.6)
        canvas.polygon(opening_outline("arched", x0, 0, x1, top), yard.style.wall, -2.0)
        canvas.polygon(opening_outline("arched", x0 + 0.12 * (x1 - x0), 0, x1 - 0.02 * (x1 - x0), 0.93 * top),
                       opaque=False)
    yard.panels.append(make_panel("arch_front", "front", (-width / 2, 0, 0), (1, 0, 0), (0, 1, 0),
                                  canvas.texture()))
    for name, origin, right in (
        ("right", (width / 2, 0, 0), (0, 0, 1)),
        ("left", (-width / 2, 0, depth), (0, 0, -1)),
    ):
        side = Facade(depth, plan.height, floors, 1, richness=0.5, inlay=0.6)
        texture = draw_facade(yard.style, side, 0.6 * yard.resolution, rng).texture()
        yard.panels.append(make_panel(f"arch_{name}", "side", origin, right, (0, 1, 0), texture))
    return width, depth


def _theatre(yard: Yard):
    rng = yard.rng
    width, floors, depth = _size(yard, (15, 22), (2, 4), (12, 17))
    body = _facade(yard, width, floors, arcade=True, gable="balustrade", gable_height=rng.uniform(2.0, 3.2),
                   centrepiece=str(rng.choice(["none", "ornament"])))
    yard.box("body", 0, 0, depth, body, floors)
    loft = _facade(yard, rng.uniform(0.4, 0.75) * width, floors + 1, gable="triangle",
                   gable_height=rng.uniform(2, 4), centrepiece="ornament")
    yard.box("loft", rng.uniform(-2, 2), 0.45 * depth, 0.5 * depth, loft, floors + 1)
    return width, depth


def _domed(yard: Yard):
    rng = yard.rng
    width, floors, depth = _size(yard, (14, 20), (2, 4), (13, 18))
    body = _facade(yard, width, floors, gable="balustrade", gable_height=rng.uniform(1.5, 2.4),
                   portals=int(rng.integers(1, 4)))
    yard.box("body", 0, 0, depth, body, floors)
    yard.dome("dome", rng.choice([0.0, 0.0, 0.2, -0.2]) * width, 0.45 * depth, body.height * 0.95,
              rng.uniform(0.22, 0.34) * width)
    if rng.random() < 0.5:
        yard.portico("portico", 0, -2.5, rng.uniform(0.35, 0.6) * width, body.height * rng.uniform(0.6, 0.9),
                     int(rng.integers(4, 7)))
    for side in (-1, 1):
        if rng.random() < 0.5:
            yard.dome(f"turret{side:+d}", side * 0.42 * width, 1.5, body.height,
                      rng.uniform(0.07, 0.1) * width)
    return width, depth
