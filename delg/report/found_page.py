"""Page of what was found for queries whose answers nobody knows: verdicts, hits, matches and boxes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from delg.pictures import drawing, maps
from delg.pictures import page as pictures_page
from delg.pictures.downloads import csv_file
from delg.pictures.maps import PageMap
from delg.pictures.page_pictures import PagePictures
from delg.places.shown import as_spots, in_words
from delg.scores.found import HITS, ONLY_ALIKE, SAME, UNSURE, FoundForQuery, FoundImage
from delg.settings.places import GPS_ALONE, PlacesConfig

NUM_LARGE = 3  # hits of a query that are shown with match lines; chosen
_QUERY, _THUMBNAIL = (360, 480), (180, 240)  # height and width at most, pixels
_MATCHES, _MATCHES_OF_MANY = 400, 220  # height at most, pixels; chosen: 500 queries stay below 50 MB
_WORDS = {SAME: "found", UNSURE: "perhaps found: look at the hits"}  # verdicts on queries; others as they are
_CLASSES = {SAME: "same", UNSURE: "unsure", ONLY_ALIKE: "alike", None: ""}  # of the style sheet
_CSV_COLUMNS = ("rank", "image", "verdict", "probability", "num_inliers", "similarity")


@dataclasses.dataclass(frozen=True)
class DrawnMatch:
    """What is drawn between a query and a hit.

    Attributes:
        query_yx, image_yx: float, [k, 2], pixels of the two images; row i matches row i.
        outline_xy: float, [n, 2], pixels of the hit: where the query's box lies in it; None: not known.
    """

    query_yx: np.ndarray
    image_yx: np.ndarray
    outline_xy: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class Views:
    """Where the page takes pixels and matches from.

    Attributes:
        query: a query's pixels, uint8, [height, width, 3], RGB.
        image: an image's pixels, as those of a query; called once for each hit shown.
        match: what to draw between the two, or None where nothing was verified; without points nothing is.
        name: what the page calls an image that was found.
    """

    query: Callable[[FoundForQuery], np.ndarray]
    image: Callable[[FoundImage], np.ndarray]
    match: Callable[[FoundForQuery, FoundImage], DrawnMatch | None]
    name: Callable[[str], str] = str


def write_found_page(path: str, found: Iterable[FoundForQuery], views: Views, num_large: int = NUM_LARGE,
                     only_same: bool = False, num_full: int | None = None, title: str = "What was found",
                     note: str = "", settings: Iterable[dict[str, Any]] = (),
                     tiles: PlacesConfig = GPS_ALONE) -> str:
    """Writes the page, which loads nothing from elsewhere, and returns its path.

    Pictures are inside the page; where they would take it beyond 15 MB, in a folder beside it.

    Args:
        path: the file to write, such as found.html.
        found: the queries in the order they are shown, taken one by one.
        views: pixels and matches.
        num_large: hits of each query that are shown large, with match lines.
        only_same: whether of these only those that are judged the same are large, and less so.
        num_full: queries, the first ones, that have large hits at all; None: every one.
        title: heading.
        note: a sentence on where the hits were sought.
        settings: groups {"name", "rows": [(name, value)]} for the end of the page.
        tiles: what a map is drawn on, which the page has where any place is known.
    """
    pictures = PagePictures(path)
    cards = [_card(number, query, views, 0 if num_full is not None and number > num_full else num_large,
                   only_same, pictures) for number, query in enumerate(found, 1)]
    drawn_map = page_map([spot for card in cards for spot in card["spots"]], tiles)
    page = pictures_page.render("delg.report", "found.html.j2", title=title, note=note, cards=cards,
                                drawn_map=drawn_map, map_section=maps.section(drawn_map),
                                tile_origin=tiles.tile_origin,
                                summary=_summary(cards), settings=list(settings), source=pictures.source,
                                downloads=[csv_file("hits.csv", [
                                    {"query": card["query"], **{name: hit[name] for name in _CSV_COLUMNS}}
                                    for card in cards for hit in card["hits"]])])
    pictures_page.write_page_file(path, page)
    pictures.remove_others()
    return path


def page_map(spots: list[dict[str, Any]], tiles: PlacesConfig) -> PageMap | None:
    """The map of a page; None where no place is known."""
    return PageMap(spots, tiles.tile_url, tiles.tile_attribution, tiles.tile_origin) if spots else None


def _card(number: int, found: FoundForQuery, views: Views, num_large: int, only_same: bool,
          pictures: PagePictures) -> dict[str, Any]:
    query_image = views.query(found)
    hits, large = [], []
    for place, hit in enumerate(found.hits):
        image = views.image(hit)
        box = None if hit.verdict == ONLY_ALIKE else hit.box  # what is not there has no place
        entry = {**dataclasses.asdict(hit), "image": views.name(hit.image),
                 "place": in_words(hit.place) if hit.place else "", "kind": _CLASSES[hit.verdict],
                 "picture": pictures.add(_thumbnail(image, box))}
        hits.append(entry)
        is_large = place < num_large and (hit.verdict == SAME or not only_same)
        match = views.match(found, hit) if is_large else None
        if match is not None and len(match.query_yx):
            outline = None if hit.verdict == ONLY_ALIKE else match.outline_xy
            picture = drawing.draw_matches(query_image, image, match.query_yx, match.image_yx, found.box,
                                           outline, _MATCHES_OF_MANY if only_same else _MATCHES)
            large.append({**entry, "picture": pictures.add(picture),
                          "has_outline": outline is not None})
    box = None if found.box is None else np.asarray(found.box)
    words = [found.verdict] if found.verdict else [hit.verdict for hit in found.hits]
    return {"anchor": f"query-{number}", "query": found.query, "has_box": box is not None,
            "verdict": _WORDS.get(found.verdict, found.verdict),
            "picture": pictures.add(drawing.draw_query_box(query_image, box, *_QUERY)),
            "outcome": next((word for word in (SAME, UNSURE) if word in words), None),
            "num_same": sum(hit.verdict == SAME for hit in found.hits),
            "is_judged": found.verdict is not None or any(hit.verdict for hit in found.hits),
            "place": in_words(found.place) if found.place else "",
            "is_own_place": found.place is not None and found.place.source != HITS,
            "spots": as_spots(found, f"#query-{number}", views.name), "hits": hits, "large": large,
            "copies": [views.name(copy) for copy in found.copies]}


def _thumbnail(image: np.ndarray, box: tuple[float, float, float, float] | None) -> np.ndarray:
    picture, scale = drawing.fit(image, *_THUMBNAIL)
    if box is not None:
        x1, y1, x2, y2 = np.asarray(box) * scale
        drawing.draw_outline(picture, np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]]))
    return picture


def _summary(cards: list[dict[str, Any]]) -> str:
    count = f"{len(cards):,} {'query' if len(cards) == 1 else 'queries'}"
    if not any(card["is_judged"] for card in cards):
        return f"{count}; nobody has judged the hits."
    met = {word: sum(card["outcome"] == word for card in cards) for word in (SAME, UNSURE)}
    return (f"{count}: {met[SAME]:,} found, {met[UNSURE]:,} perhaps found, "
            f"{len(cards) - sum(met.values()):,} not found.")
