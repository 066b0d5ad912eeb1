"""Styles of building: what siblings share. Colours come from few palettes, so colour alone tells little."""

from __future__ import annotations

import dataclasses

import numpy as np

from data_prep.world.architecture.masonry import MATERIALS
from data_prep.world.architecture.ornaments import ORNAMENTS
from data_prep.world.architecture.windows import HOODS, MULLIONS, WINDOW_KINDS

ARCHETYPES = ("church", "palace", "temple", "hall", "tower", "modern", "gate", "theatre", "domed")
CORNICES = ("dentils", "brackets", "plain", "arcade")

# Wall, trim, roof: RGB in 0..255.
_PALETTES = (
    ((198, 184, 156), (216, 206, 184), (110, 112, 120)),  # limestone and slate
    ((188, 160, 122), (208, 190, 158), (128, 92, 72)),  # sandstone and tiles
    ((152, 96, 78), (202, 190, 168), (104, 100, 102)),  # brick and slate
    ((150, 148, 144), (182, 180, 174), (98, 104, 112)),  # granite
    ((206, 198, 184), (190, 178, 156), (138, 86, 66)),  # stucco and tiles
    ((196, 160, 92), (222, 210, 182), (122, 96, 80)),  # ochre
    ((196, 140, 122), (226, 212, 196), (92, 88, 92)),  # rose plaster
    ((128, 148, 130), (206, 204, 188), (84, 108, 98)),  # green plaster and copper
    ((118, 138, 162), (222, 222, 218), (90, 92, 104)),  # blue plaster
    ((112, 88, 76), (176, 156, 132), (78, 72, 74)),  # brownstone
    ((232, 228, 220), (168, 176, 184), (150, 70, 52)),  # whitewash and red tiles
    ((150, 64, 54), (228, 222, 210), (66, 82, 80)),  # red brick and copper
)
_GLASS = ((40, 46, 56), (66, 80, 100), (120, 140, 160), (88, 70, 52), (56, 88, 80))
_MATERIALS_OF = {"modern": ("panels", "plaster", "brick"), "temple": ("ashlar", "plaster"),
                 "gate": ("ashlar", "rustic"), "tower": ("rubble", "brick", "ashlar")}


@dataclasses.dataclass(frozen=True)
class Style:
    """What buildings of one style have in common.

    Attributes:
        archetype: one of ARCHETYPES.
        material: key of masonry.MATERIALS.
        wall, trim, roof, accent, second_accent, door, glass: RGB in 0..255.
        windows: kinds for the ground floor, the floors above and the top floor.
        openness, tallness: share of a bay's width and of a floor's height that a window takes.
        breadth: factor on the width of the building.
        frame: width of the frames of windows, relative to the window.
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
    second_accent: tuple[float, ...]
    door: tuple[float, ...]
    glass: tuple[float, ...]
    windows: tuple[str, str, str]
    openness: float
    tallness: float
    breadth: float
    frame: float
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
    wall, trim, roof = (np.asarray(colour) * rng.uniform(0.65, 1.12) * np.exp(rng.normal(0, 0.06, 3))
                        for colour in _PALETTES[rng.integers(len(_PALETTES))])
    kinds = [kind for kind in WINDOW_KINDS if kind not in ("round", "slit")]
    windows = tuple(str(kind) for kind in rng.choice(kinds, 3))
    if archetype == "church":
        windows = (str(rng.choice(["pointed", "arched"])),) * 2 + ("round",)
    finish = rng.choice(["light", "dark", "plain"], p=[0.45, 0.2, 0.35])
    if finish != "light":
        trim = wall * (rng.uniform(0.5, 0.68) if finish == "dark" else rng.uniform(0.92, 1.16))
    materials = _MATERIALS_OF.get(archetype, tuple(MATERIALS))
    return Style(archetype=archetype, material=str(rng.choice(materials)), wall=_colour(wall),
                 trim=_colour(trim), roof=_colour(roof), accent=_vivid(rng), second_accent=_vivid(rng),
                 door=_colour(np.array([92, 66, 46]) * rng.uniform(0.6, 1.5)),
                 glass=_colour(np.array(_GLASS[rng.integers(len(_GLASS))]) * rng.uniform(0.8, 1.2)),
                 windows=windows, openness=rng.uniform(0.3, 0.8), tallness=rng.uniform(0.4, 0.8), breadth=1.0,
                 frame=rng.uniform(0.02, 0.2), hood=str(rng.choice(HOODS)), mullion=str(rng.choice(MULLIONS)),
                 cornice=str(rng.choice(CORNICES)), pilasters=bool(rng.random() < 0.5),
                 ornaments=tuple(str(kind) for kind in rng.choice(ORNAMENTS, 3, replace=False)),
                 bay=rng.uniform(2.2, 5.4), floor=rng.uniform(3.0, 6.0))


def everyday(style: Style, rng: np.random.Generator) -> Style:
    """The style as a building wears it that nobody looks at: greyer, without accents."""
    def dulled(colour):
        colour = np.asarray(colour)
        return _colour(0.35 * colour + 0.65 * (0.6 * colour.mean() + 0.4 * np.array([150, 144, 134])))

    return dataclasses.replace(style, wall=dulled(style.wall), trim=dulled(style.trim),
                               roof=dulled(style.roof), accent=dulled(style.accent),
                               second_accent=dulled(style.wall),
                               breadth=float(np.exp(rng.uniform(-0.3, 0.3))))


def personal(style: Style, rng: np.random.Generator) -> Style:
    """The style as one landmark wears it: its own shade of the walls, its own accents."""
    shade = rng.uniform(0.75, 1.2) * np.exp(rng.normal(0, 0.08, 3))
    return dataclasses.replace(
        style, wall=_colour(np.asarray(style.wall) * shade), accent=_vivid(rng), second_accent=_vivid(rng),
        roof=_colour(np.asarray(style.roof) * rng.uniform(0.75, 1.25) * np.exp(rng.normal(0, 0.12, 3))),
        breadth=float(np.exp(rng.uniform(-0.3, 0.3))), floor=style.floor * rng.uniform(0.85, 1.2),
        openness=style.openness * rng.uniform(0.85, 1.15),
        door=_vivid(rng) if rng.random() < 0.5 else style.door)


def _vivid(rng) -> tuple[float, ...]:
    hue, value, saturation = rng.uniform(0, 6), rng.uniform(80, 215), rng.uniform(0.3, 0.65)
    pure = np.clip(np.abs((hue + np.array([0, 4, 2])) % 6 - 3) - 1, 0, 1)  # the colour circle
    return _colour(value * (1 - saturation * (1 - pure)))


def _colour(values) -> tuple[float, ...]:
    return tuple(float(value) for value in np.clip(values, 0, 255))
