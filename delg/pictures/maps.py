"""A map on a page: Leaflet, coasts and places inside it; nothing is loaded but tiles that were asked for.

Leaflet 1.9.4 (BSD 2-clause, from the npm registry) stands in templates/ as published, with its licence.
coastlines.json is made from Natural Earth, which is in the public domain: tests/fixtures/make_coastlines.py.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from importlib import resources
from typing import Any

SCRIPTS, STYLES = ("leaflet.js", "map.js"), ("leaflet.css", "map.css")
COASTS = "coastlines.json"


@dataclasses.dataclass(frozen=True)
class PageMap:
    """What the map of a page shows.

    Attributes:
        spots: of `delg.places.shown.as_spots`; at least one.
        tile_url: of tiles; empty: coasts and a grid.
        tile_attribution: words that the owner of the tiles wants.
        tile_origin: where tiles come from, as a Content-Security-Policy has it.
    """

    spots: list[dict[str, Any]]
    tile_url: str = ""
    tile_attribution: str = ""
    tile_origin: str = ""

    def as_json(self) -> str:
        """What `drawMap` of map.js takes, as JSON that can stand inside a script element."""
        held = {"spots": self.spots, "coasts": None if self.tile_url else json.loads(asset(COASTS)),
                "tileUrl": self.tile_url, "tileAttribution": self.tile_attribution}
        return json.dumps(held, separators=(",", ":")).replace("<", "\\u003c")


def section(drawn_map: PageMap | None) -> str:
    """The section of a page that a map is drawn into; empty where there is none."""
    return asset("map_section.html") if drawn_map else ""


@functools.lru_cache(None)
def asset(name: str) -> str:
    """A file of the map."""
    return resources.files("delg.pictures").joinpath("templates", name).read_text(encoding="utf-8")
