"""Writes a world of places photographed by day and by night, in the layout that sources.day_night reads."""

from __future__ import annotations

import dataclasses
import functools
import os

import numpy as np
import pandas as pd

from data_prep.stage import files
from data_prep.world import making
from data_prep.world.architecture.city import City
from data_prep.world.config import DayNightWorldConfig
from data_prep.world.photography.scene import photograph_day_and_night
from data_prep.world.photography.sensor import encode_jpeg

_FORMAT = 1  # of the pictures; raised when the same settings give other pictures
_DOMAINS = ("day", "night")


def make_day_night_world(config: DayNightWorldConfig) -> None:
    """Writes the world of a configuration, or what is still missing of it.

    Files under `output_dir`: day/PLACE_VIEW.jpg, night/PLACE_VIEW.jpg, world.json (the settings) and, last of
    all, places.csv with the columns file, domain, place, sequence (the style), frame (place and view; empty
    where cameras move, since no two photographs then show one view).

    Raises:
        ValueError: if the folder holds a world of other settings.
    """
    settings = {"format": _FORMAT, "kind": "day_night", **dataclasses.asdict(config)}
    del settings["output_dir"], settings["num_workers"]
    making.claim_folder(config.output_dir, settings, DayNightWorldConfig)
    for domain in _DOMAINS:
        os.makedirs(os.path.join(config.output_dir, domain), exist_ok=True)
    places = range(config.num_places)
    todo = [place for place in places
            if not all(os.path.exists(os.path.join(config.output_dir, name))
                       for view in range(config.views_per_place) for name in _names(place, view).values())]
    # Neighbours go to one worker, which draws the buildings that are no landmark only once.
    making.run(functools.partial(_photograph_place, config), todo,
               [2 * config.views_per_place] * len(todo), config.num_workers)
    rows = [(name, domain, f"place_{place:04d}", f"style_{place // config.siblings:04d}",
             "" if config.moving_cameras else f"{place:04d}_{view:02d}")
            for place in places for view in range(config.views_per_place)
            for domain, name in _names(place, view).items()]
    table = pd.DataFrame(rows, columns=["file", "domain", "place", "sequence", "frame"])
    with files.replacing(os.path.join(config.output_dir, "places.csv")) as temporary:
        table.sort_values("file").to_csv(temporary, index=False)


def _names(place: int, view: int) -> dict[str, str]:
    return {domain: f"{domain}/{place:04d}_{view:02d}.jpg" for domain in _DOMAINS}


@functools.lru_cache(maxsize=1)  # of this process: textures are made once
def _city(seed: int, siblings: int, texture_size: int) -> City:
    return City(seed, "train", siblings, texture_size)


def _photograph_place(config: DayNightWorldConfig, place: int) -> None:
    city = _city(config.seed, config.siblings, int(np.clip(3 * config.image_size, 384, 2048)))
    for view in range(config.views_per_place):
        rng = np.random.default_rng([config.seed, place, view])
        images = photograph_day_and_night(city, place, config.image_size, rng, config.moving_cameras)
        for domain, name in _names(place, view).items():
            path = os.path.join(config.output_dir, name)
            with files.replacing(path) as temporary, open(temporary, "wb") as file:
                file.write(encode_jpeg(images[domain], rng))
