"""Places of images: from a table, or from the GPS data in their files."""

from __future__ import annotations

import collections
import functools
import math
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping

from absl import logging

from data_prep.images import place as image_place
from data_prep.sources.formats.image_names import SUFFIXES, printable
from data_prep.sources.formats.tables import read_records
from delg.scores.found import GPS, TABLE, Place
from delg.settings.places import PlacesConfig

_IMAGE, _LANDMARK = ("image", "id", "file", "name"), ("landmark_id", "landmark")
_LATITUDE, _LONGITUDE = ("latitude", "lat"), ("longitude", "lon", "lng")
_WHOLE = re.compile(r"([0-9]+)\.0*")  # as tables with gaps have whole numbers
_REMEMBERED = 100_000  # files
Degrees = tuple  # of latitude and longitude


class KnownPlaces:
    """Places of images by their ids or paths.

    Args:
        table: by name of image, with or without folders and suffix: degrees north and east.
        use_gps: whether files are asked too.
        image_ids: of the collection. A table's name without folders means an image that lies in one, unless
            several images have that name, or a query of another folder has it too.
    """

    def __init__(self, table: Mapping[str, Degrees] | None = None, use_gps: bool = True,
                 image_ids: Iterable[str] = ()):
        self._table, self._use_gps = table or {}, use_gps
        self._ids = frozenset(image_ids if self._table else ())
        self._count = collections.Counter(name for image in self._ids for name in _short_names(image))

    def of_collection(self, image_ids: Iterable[str]) -> KnownPlaces:
        """The same for other images, as when a collection has changed."""
        return KnownPlaces(self._table, self._use_gps, image_ids)

    def of_image(self, image: str, path: str = "") -> Place | None:
        """The place of an image of the collection, or of a file that is a query; None: not known.

        Args:
            image: id, or path.
            path: of its file; empty: there is none to be asked.
        """
        found = self.in_table(image)
        if found is None and path and self._use_gps:
            return _place_in_file(path)
        return found

    def of_encoded(self, image: str, encoded: bytes) -> Place | None:
        """The place of an image file that is in memory; None: not known."""
        found = self.in_table(image)
        if found is None and self._use_gps:
            degrees = image_place.place_of_image(encoded)
            return degrees and Place(*degrees, source=GPS)
        return found

    def in_table(self, image: str) -> Place | None:
        """The place that the table has for an image; None: none."""
        if not self._table:
            return None
        others = int(image in self._ids)  # beside it none may have its name
        names = (*_names(image), *(name for name in _short_names(image) if self._count[name] <= others))
        degrees = next((self._table[name] for name in names if name in self._table), None)
        return degrees and Place(*degrees, source=TABLE)


def known_places(config: PlacesConfig, image_ids: Collection[str]) -> KnownPlaces:
    """The places that settings name, of the images of a collection.

    Raises:
        FileNotFoundError: if a table is not there.
        ValueError: if a table is not as `PlacesConfig` has it, or names none of the images.
    """
    if not config.places_csv:
        return KnownPlaces(use_gps=config.use_gps)
    table = read_places(config.places_csv, config.landmarks_csv)
    known = KnownPlaces(table, config.use_gps, image_ids)
    num_named = sum(known.in_table(image) is not None for image in image_ids)
    if image_ids and not num_named:
        raise ValueError(f"`places_csv` must name images of the collection. Received: {config.places_csv!r}, "
                         f"with {next(iter(table), 'none')!r}, for images such as {next(iter(image_ids))!r}.")
    logging.info("%s has places for %d of %d images.", config.places_csv, num_named, len(image_ids))
    return known


def read_places(places_csv: str, landmarks_csv: str = "") -> dict[str, Degrees]:
    """Degrees north and east by name of image, of a table, or of two; rows without numbers are passed over.

    Raises:
        FileNotFoundError: if a table is not there.
        ValueError: if a table is not as `PlacesConfig` has it.
    """
    places = {}
    for line, (name, *cells) in _rows(places_csv, (_LANDMARK if landmarks_csv else _IMAGE), _LATITUDE,
                                      _LONGITUDE):
        if not any(cells):
            continue
        if name in places:
            raise ValueError(f"{places_csv} must name each image or landmark once. Received: {name!r} again, "
                             f"line {line}.")
        places[name] = tuple(_degrees(cell, most, places_csv, line) for cell, most in zip(cells, (90, 180)))
    if not landmarks_csv:
        return places
    return {image: places[landmark] for _, (image, landmark) in _rows(landmarks_csv, _IMAGE, _LANDMARK)
            if landmark in places}


def _rows(path: str, *columns: tuple[str, ...]) -> Iterator[tuple[int, list[str]]]:
    """Line and cells of the columns that have one of some names each."""
    records = read_records(path)
    _, header = next(records)
    chosen = [next((name for name in names if header.count(name) == 1), None) for names in columns]
    if None in chosen:
        wanted = ", ".join(" or ".join(names) for names in columns)
        raise ValueError(f"Table {path} must have the columns {wanted}. Received: "
                         f"{', '.join(header) or 'no rows'}.")
    places = [header.index(name) for name in chosen]
    for line, cells in records:
        yield line, [_WHOLE.sub(r"\1", cell) if names is _LANDMARK else cell.replace("\\", "/")
                     for cell, names in zip(map(cells.__getitem__, places), columns)]


def _degrees(cell: str, most: int, path: str, line: int) -> float:
    try:
        degrees = float(cell.replace(",", "."))  # as some spreadsheets have them
    except ValueError:
        degrees = math.nan
    if not abs(degrees) <= most:
        raise ValueError(f"{path}, line {line}, must have degrees between -{most} and {most}. "
                         f"Received: {cell!r}.")
    return degrees


def _names(image: str) -> tuple[str, str]:
    """What a table may call an image: with its folders, with and without suffix."""
    name = printable(image).replace(os.sep, "/")
    stem, suffix = os.path.splitext(name)
    return name, (stem if suffix.lower() in SUFFIXES else name)


def _short_names(image: str) -> tuple[str, ...]:
    """The same without folders, each once."""
    return tuple(dict.fromkeys(os.path.basename(name) for name in _names(image)))


def _place_in_file(path: str) -> Place | None:
    try:
        degrees = _remembered(path, os.stat(path).st_mtime_ns)
    except OSError:
        return None
    return degrees and Place(*degrees, source=GPS)


@functools.lru_cache(_REMEMBERED)
def _remembered(path: str, _changed_ns: int) -> Degrees | None:
    return image_place.place_in_file(path)
