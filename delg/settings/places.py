"""Settings of places on the map: where those of images come from, and what the map is drawn on."""

from __future__ import annotations

import dataclasses
import re

from data_prep.stage.settings import check_fields, require, setting

# Only what may stand in a page's policy: a host, and {s} as the whole of its first part.
_TILE_URL = re.compile(r"(https?://)(\{s\}\.)?([A-Za-z0-9.-]+(?::\d+)?)/[^\s\"'<>;,\\]*")


@dataclasses.dataclass(frozen=True)
class PlacesConfig:
    """Where places of images come from, and what the map is drawn on."""

    places_csv: str = setting(
        "", help="table of columns image (or id), latitude and longitude, in degrees; or landmark_id, "
        "latitude and longitude, with landmarks_csv; counts more than GPS data")
    landmarks_csv: str = setting(
        "", help="table of columns id (or image) and landmark_id (or landmark), such as train.csv: which "
        "landmark of places_csv each image shows")
    use_gps: bool = setting(True, help="read places from the GPS data in the files of photographs")
    tile_url: str = setting(
        "", help="address of map tiles, such as https://host/{z}/{x}/{y}.png, which pages then load from "
        "there; empty: coasts and a grid, and no request to anyone")
    tile_attribution: str = setting("", help="words that the owner of the tiles wants on the map")

    def __post_init__(self):
        check_fields(self)
        require(bool(self.places_csv) or not self.landmarks_csv, "`places_csv` must come with "
                "`landmarks_csv`.", places_csv=self.places_csv, landmarks_csv=self.landmarks_csv)
        require(not self.tile_url or bool(_TILE_URL.fullmatch(self.tile_url)) and all(
            part in self.tile_url for part in ("{z}", "{x}", "{y}")), "`tile_url` must be an address of http "
            "or https with {z}, {x} and {y}.", tile_url=self.tile_url)
        require(bool(self.tile_url) or not self.tile_attribution, "`tile_url` must come with "
                "`tile_attribution`.", tile_url=self.tile_url, tile_attribution=self.tile_attribution)

    @property
    def tile_origin(self) -> str:
        """Where tiles come from, as a Content-Security-Policy has it; empty: there are none."""
        if not self.tile_url:
            return ""
        scheme, parts, host = _TILE_URL.fullmatch(self.tile_url).groups()
        return f"{scheme}{'*.' if parts else ''}{host}"


GPS_ALONE = PlacesConfig()
