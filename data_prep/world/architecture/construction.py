"""Building blocks in three dimensions: boxes, roofs, domes and porticos, collected panel by panel."""

from __future__ import annotations

import dataclasses

import numpy as np

from data_prep.world.architecture import ornaments
from data_prep.world.architecture.buildings import Panel, make_panel
from data_prep.world.architecture.facades import Facade, draw_facade
from data_prep.world.architecture.masonry import lay_tiles
from data_prep.world.architecture.styles import Style
from data_prep.world.architecture.windows import opening_outline
from data_prep.world.photography.canvas import Canvas, tinted

_UP = (0.0, 1.0, 0.0)


class Yard:
    """Collects the panels of one building.

    Args:
        style: shared by siblings.
        rng: makes this building differ from them.
        resolution: pixels per metre of the fronts; sides and roofs get fewer.
        richness: in 0..1, how much ornament there is.
    """

    def __init__(self, style: Style, rng: np.random.Generator, resolution: float, richness: float):
        self.style, self.rng, self.resolution, self.richness = style, rng, resolution, richness
        self.panels: list[Panel] = []

    def box(self, name, x, z, depth, facade: Facade, side_floors: int) -> None:
        """A block whose front is drawn from a plan; its sides are plainer."""
        front = draw_facade(self.style, facade, self.resolution, self.rng).texture()
        left = x - facade.width / 2
        self.panels.append(make_panel(f"{name}_front", "front", (left, 0, z), (1, 0, 0), _UP, front))
        bays = max(1, round(depth / self.style.bay))
        for side, origin, right in (("right", (left + facade.width, 0, z), (0, 0, 1)),
                                    ("left", (left, 0, z + depth), (0, 0, -1))):
            plan = Facade(depth, facade.height, side_floors, bays, richness=0.3 * self.richness, inlay=0.08)
            if facade.gable == "battlements":
                plan = dataclasses.replace(plan, gable="battlements", gable_height=facade.gable_height)
            texture = draw_facade(self.style, plan, 0.6 * self.resolution, self.rng).texture()
            self.panels.append(make_panel(f"{name}_{side}", "side", origin, right, _UP, texture))

    def _roof(self, name, origin, right, up, width, shape) -> None:
        up = np.asarray(up, np.float64)
        height = float(np.linalg.norm(up))
        canvas = Canvas(width, height, 0.5 * self.resolution)
        outline = {"slope": [(0, 0), (width, 0), (width, height), (0, height)],
                   "triangle": [(0, 0), (width, 0), (width / 2, height)]}[shape]
        lay_tiles(canvas, outline, self.style.roof, self.rng)
        if shape == "slope" and width > 8 and self.rng.random() < 0.5:
            for x in np.linspace(0.12, 0.88, int(self.rng.integers(3, 7))) * width:
                canvas.rectangle(x - 0.7, 0.25 * height, x + 0.7, 0.25 * height + 1.8, self.style.trim, 1.0)
                canvas.rectangle(x - 0.45, 0.25 * height + 0.2, x + 0.45, 0.25 * height + 1.5,
                                 self.style.glass, -1.0, glow_group=int(self.rng.integers(2)))
        self.panels.append(make_panel(name, "roof", origin, right, up, canvas.texture()))

    def _sides(self, name, x, z, width, depth, base, height, lean, shape) -> None:
        left = x - width / 2
        self._roof(f"{name}_right", (left + width, base, z), (0, 0, 1), (-lean, height, 0), depth, shape)
        self._roof(f"{name}_left", (left, base, z + depth), (0, 0, -1), (lean, height, 0), depth, shape)

    def _slope(self, name, x, z, width, depth, base, height, shape) -> None:
        self._roof(f"{name}_front", (x - width / 2, base, z), (1, 0, 0), (0, height, depth / 2), width, shape)

    def ridge_along_front(self, name, x, z, width, depth, base, height) -> None:
        """A roof whose slope is seen from the front; its ends are hipped."""
        self._slope(name, x, z, width, depth, base, height, "slope")
        self._sides(name, x, z, width, depth, base, height, 0.01, "triangle")

    def ridge_to_back(self, name, x, z, width, depth, base, height) -> None:
        """A roof behind a gable: two slopes that face the sides."""
        self._sides(name, x, z, width, depth, base, height, width / 2, "slope")

    def pyramid(self, name, x, z, width, depth, base, height) -> None:
        """A spire or a tent roof."""
        self._slope(name, x, z, width, depth, base, height, "triangle")
        self._sides(name, x, z, width, depth, base, height, width / 2, "triangle")

    def dome(self, name, x, z, base, radius) -> None:
        """A drum, a ribbed dome and its lantern; round, so a billboard shows them from every side."""
        rng, trim = self.rng, self.style.trim
        drum, rise = rng.uniform(0.4, 0.8) * radius, rng.uniform(0.8, 1.3) * radius
        top, width = drum + rise, 2.1 * radius
        canvas = Canvas(width, top + 0.6 * radius, 0.7 * self.resolution)
        middle = width / 2
        canvas.rectangle(middle - radius, 0, middle + radius, drum, self.style.wall, 0.5)
        count = int(rng.integers(5, 10))
        for angle in np.linspace(-1.3, 1.3, count):
            centre, half = middle + radius * np.sin(angle), 0.55 * radius / count * np.cos(angle) * 2
            canvas.polygon(opening_outline("arched", centre - half, 0.15 * drum, centre + half, 0.85 * drum),
                           tinted(self.style.glass, 0.8), -1.0, glow_group=0)
        turns = np.linspace(0, np.pi, 33)
        shell = np.stack([middle + radius * np.cos(turns), drum + rise * np.sin(turns) ** 0.9], -1)
        canvas.polygon(shell, self.style.roof, 0.0)
        for angle in np.linspace(-1.4, 1.4, int(rng.integers(5, 12))):
            rib = np.stack([middle + radius * np.sin(angle) * np.cos(turns[:17]),
                            drum + rise * np.sin(turns[:17]) ** 0.9], -1)
            canvas.line(rib, 0.18, tinted(self.style.roof, 1.3), 1.0)
        canvas.rectangle(middle - 1.02 * radius, drum - 0.3, middle + 1.02 * radius, drum + 0.1, trim, 1.5)
        size = 0.14 * radius
        canvas.rectangle(middle - size, top - 0.03 * radius, middle + size, top + 0.3 * radius, trim, 0.5)
        canvas.polygon([(middle - size, top + 0.3 * radius), (middle + size, top + 0.3 * radius),
                        (middle, top + 0.58 * radius)], self.style.roof, 0.5)
        self.panels.append(make_panel(name, "billboard", (x, base, z), (1, 0, 0), _UP, canvas.texture()))

    def portico(self, name, x, z, width, height, columns) -> None:
        """Free columns with a carved pediment, in front of the wall; one sees between them."""
        rng, trim = self.rng, self.style.trim
        gable = rng.uniform(0.2, 0.3) * width
        canvas = Canvas(width, height + gable, self.resolution)
        beam = 0.16 * height
        canvas.rectangle(0, 0, width, 0.06 * height, tinted(trim, 0.85), 0.5)
        thick = min(0.09 * height, 0.36 * width / columns)
        for centre in np.linspace(thick, width - thick, columns):
            canvas.rectangle(centre - 0.5 * thick, 0, centre + 0.5 * thick, height - beam, trim, 1.5)
            for flute in (-0.25, 0.05, 0.3):
                canvas.line([(centre + flute * thick, 0.08 * height),
                             (centre + flute * thick, height - 1.3 * beam)], 0.1 * thick, tinted(trim, 0.8),
                            0.5)
            canvas.rectangle(centre - 0.75 * thick, height - 1.35 * beam, centre + 0.75 * thick,
                             height - beam, tinted(trim, 1.08), 2.5)
        canvas.rectangle(0, height - beam, width, height, trim, 1.0)
        ornaments.draw_frieze(canvas, (0.3, height - 0.9 * beam, width - 0.3, height - 0.15 * beam),
                              int(rng.integers(3)), trim, self.style.accent, rng)
        canvas.polygon([(0, height), (width, height), (width / 2, height + gable)], tinted(trim, 1.1), 2.0)
        inner = [(0.1 * width, height + 0.07 * gable), (0.9 * width, height + 0.07 * gable),
                 (width / 2, height + 0.86 * gable)]
        canvas.polygon(inner, tinted(trim, 0.66), -0.5)
        for place_x in np.linspace(0.25, 0.75, int(rng.integers(3, 7))) * width:
            tall = gable * (0.8 - 1.5 * abs(place_x / width - 0.5)) * rng.uniform(0.8, 1.0)
            box = (place_x - 0.3 * tall, height + 0.08 * gable, place_x + 0.3 * tall,
                   height + 0.08 * gable + tall)
            if rng.random() < 0.6:
                ornaments.draw_figure(canvas, box, tinted(trim, 1.2), rng)
            else:
                ornaments.draw_glyph(canvas, box, tinted(trim, 1.25), tinted(trim, 0.4), rng)
        self.panels.append(make_panel(name, "front", (x - width / 2, 0, z), (1, 0, 0), _UP, canvas.texture()))
