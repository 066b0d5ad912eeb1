"""All buildings and things of one city, each made on first use from its own seed, in any order."""

from __future__ import annotations

import collections

import numpy as np

from data_prep.world.architecture import architects, clutter
from data_prep.world.architecture.buildings import Building, Panel
from data_prep.world.architecture.styles import ARCHETYPES, draw_style, everyday, personal
from data_prep.world.photography.canvas import Texture

SPLITS = ("train", "eval")
NUM_ANONYMOUS = 48  # buildings of a split that are no landmark
NUM_THINGS = 14  # variants of each kind of clutter
_KEPT_LANDMARKS = 4  # in memory at a time; a landmark takes about 10 MB
_STYLE, _LANDMARK, _ANONYMOUS, _THING, _GROUND, _SURROUNDINGS = range(6)  # what a seed is for


class City:
    """Gives the buildings of one split of a world.

    Args:
        seed: of the world.
        split: one of SPLITS; splits share no style and no building.
        siblings: landmarks per style.
        texture_size: pixels of the longer side of a landmark's largest front.
    """

    def __init__(self, seed: int, split: str, siblings: int, texture_size: int):
        self.seed, self.split, self.siblings, self.texture_size = seed, split, siblings, texture_size
        self._landmarks: collections.OrderedDict = collections.OrderedDict()
        self._others: dict = {}

    def generator(self, *key: int) -> np.random.Generator:
        """The random numbers of one purpose."""
        return np.random.default_rng([self.seed, SPLITS.index(self.split), *key])

    def landmark(self, number: int) -> Building:
        """Landmark `number`; landmarks [k * siblings, (k + 1) * siblings) share style k."""
        if number not in self._landmarks:
            style_number = number // self.siblings
            style = draw_style(self.generator(_STYLE, style_number),
                               ARCHETYPES[style_number % len(ARCHETYPES)])
            rng = self.generator(_LANDMARK, number)
            self._landmarks[number] = architects.build(personal(style, rng), rng, self.texture_size, 0.85)
            while len(self._landmarks) > _KEPT_LANDMARKS:
                self._landmarks.popitem(last=False)
        return self._landmarks[number]

    def surroundings(self, number: int) -> np.random.Generator:
        """The random numbers of what stands around a landmark."""
        return self.generator(_SURROUNDINGS, number)

    def anonymous(self, number: int) -> Building:
        """A building that is no landmark, of NUM_ANONYMOUS."""
        return self._once((_ANONYMOUS, number), self._draw_anonymous)

    def thing(self, kind: str, number: int) -> Texture:
        """A tree, person, car or lamp, of NUM_THINGS of each kind."""
        key = (_THING, clutter.KINDS.index(kind), number)
        return self._once(key, lambda rng: clutter.draw_clutter(kind, rng))

    def ground(self, number: int) -> Panel:
        """A ground, of clutter.GROUND_KINDS."""
        return self._once((_GROUND, number), lambda rng: clutter.draw_ground(number, rng))

    def _draw_anonymous(self, rng) -> Building:
        style, is_plain = draw_style(rng), rng.random() < 0.7
        style = everyday(style, rng) if is_plain else personal(style, rng)
        return architects.build(style, rng, self.texture_size // 2, 0.1 if is_plain else 0.7)

    def _once(self, key, draw):
        if key not in self._others:
            self._others[key] = draw(self.generator(*key))
        return self._others[key]
