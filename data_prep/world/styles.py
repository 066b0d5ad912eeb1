"""Styles of building: what siblings share. Colours come from few palettes, so colour alone tells little."""

from __future__ import annotations

import dataclasses

import numpy as np

from data_prep.world.masonry import MATERIALS
from data_prep.world.ornaments import ORNAMENTS
from data_prep.world.windows import HOODS, MULLIONS, WINDOW_KINDS

ARCHETYPES = ("church", "palace", "temple", "hall", "tower", "modern", "gate", "theatre", "domed")
CORNICES = ("dentils", "brackets", "plain", "arcade")

# Wall, trim, roof: RGB in 0..255.
_PALETTES = (
    ((198, 184, 156), (216, 206, 184), (110, 112, 120)),  # limestone and slate
    ((188, 160, 122), (208, 190, 158), (128, 92, 72)),  # sandstone and tiles
    ((152, 96, 78), (202, 190, 168), (104, 100, 102)),  # brick and slate
    ((150, 148, 144), (182, 180, 174), (98, 104, 112)),  # granite
    ((206, 198, 184), (190, 178, 156), (138, 86, 66)),  # stucco and tiles
    ((186, 158, 108), (214, 202, 176), (122, 96, 80)),  # ochre
)
_ACCENTS = ((150, 62, 48), (52, 78, 116), (66, 96, 70), (176, 142, 70))
_MATERIALS_OF = {
    "modern": ("panels", "plaster", "brick"),
    "temple": ("ashlar", "plaster"),
    "gate": ("ashlar", "rustic"),
    "tower": ("rubble", "brick", "ashlar"),
}


@dataclasses.dataclass(frozen=True)
class Style:
    """What buildings of one style have in common.

    Attributes:
        archetype: one of ARCHETYPES.
        material: key of masonry.MATERIALS.
        wall, trim, roof, accent, door, glass: RGB in 0..255.
        windows: kinds for the ground floor, the floors above and the top floor.
        hood, mullion, cornice: how openings and the top of the wall are finished.
        pilasters: whether flat columns part the bays.
        ornaments: the three kinds of ornament in use.
        bay, floor: width of a bay and height of a floor, metres.
    """

    archetype: str
    material: str
    wall: tuple[float, ...]
    trim: tuple[float, ...]
    roof: tuple[float, ...]
    accent: tuple[float, ...]
    door: tuple[float, ...]
    glass: tuple[float, ...]
    windows: tuple[str, str, str]
    hood: str
    mullion: str
    cornice: str
    pilasters: bool
    ornaments: tuple[str, ...]
    bay: float
    floor: float


def draw_style(rng: np.random.Generator, archetype: str | None = None) -> Style:
    """A random style, of a given archetype or of any."""
    archetype = archetype or str(rng.choice(ARCHETYPES))
    wall, trim, roof = (np.asarray(colour) * rng.uniform(0.92, 1.08)
                        for colour in _PALETTES[rng.integers(len(_PALETTES))])
    kinds = [kind for kind in WINDOW_KINDS if kind not in ("round", "slit")]
    windows = tuple(str(kind) for kind in rng.choice(kinds, 3))
    if archetype == "church":
        windows = (str(rng.choice(["pointed", "arched"])),) * 2 + ("round",)
    materials = _MATERIALS_OF.get(archetype, tuple(MATERIALS))
    return Style(
        archetype=archetype, material=str(rng.choice(materials)), wall=_colour(wall), trim=_colour(trim),
        roof=_colour(roof), accent=_ACCENTS[rng.integers(len(_ACCENTS))],
        door=_colour(np.array([92, 66, 46]) * rng.uniform(0.6, 1.5)),
        glass=_colour(np.array([66, 74, 86]) * rng.uniform(0.7, 1.3)), windows=windows,
        hood=str(rng.choice(HOODS)), mullion=str(rng.choice(MULLIONS)), cornice=str(rng.choice(CORNICES)),
        pilasters=bool(rng.random() < 0.5),
        ornaments=tuple(str(kind) for kind in rng.choice(ORNAMENTS, 3, replace=False)),
        bay=rng.uniform(2.8, 4.4), floor=rng.uniform(3.6, 5.2))


def _colour(values) -> tuple[float, ...]:
    return tuple(float(value) for value in np.clip(values, 0, 255))
