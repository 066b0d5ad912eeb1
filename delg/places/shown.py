"""Places of what was found as they are shown: JSON, GeoJSON, spots of a map, words.

Source: RFC 7946: longitude before latitude; a feature whose place is not known has no geometry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from data_prep.sources.formats.image_names import printable
from delg.scores.found import ONLY_ALIKE, FoundForQuery, Place

_DIGITS = 7  # of degrees: 1 cm


def as_degrees(place: Place | None) -> dict[str, Any] | None:
    """A place as JSON has it: latitude, longitude, radius_m and source."""
    if place is None:
        return None
    radius = None if place.radius_m is None else round(place.radius_m, 1)
    return {"latitude": round(place.latitude, _DIGITS), "longitude": round(place.longitude, _DIGITS),
            "radius_m": radius, "source": place.source}


def in_words(place: Place) -> str:
    """Degrees to a metre, and how far the place may be off where hits tell it."""
    words = f"{place.latitude:.5f}, {place.longitude:.5f}"
    if place.radius_m is None:
        return words
    return f"{words}, within " + (f"{place.radius_m:.0f} m" if place.radius_m < 1000
                                  else f"{place.radius_m / 1000:.1f} km")


def as_geojson(found: Iterable[FoundForQuery]) -> dict[str, Any]:
    """A feature for each query, without a point where that cannot be told, and for each hit with a place."""
    features = []
    for query in found:
        features.append(_feature(query.place, {"kind": "query", "query": printable(query.query),
                                               "verdict": query.verdict}))
        features.extend(_feature(hit.place, {
            "kind": "hit", "query": printable(query.query), "image": printable(hit.image), "rank": hit.rank,
            "verdict": hit.verdict, "probability": hit.probability})
            for hit in query.hits if hit.place is not None)
    return {"type": "FeatureCollection", "features": features}


def _feature(place: Place | None, properties: dict[str, Any]) -> dict[str, Any]:
    known = as_degrees(place) or {}
    point = {"type": "Point", "coordinates": [known["longitude"], known["latitude"]]} if known else None
    return {"type": "Feature", "geometry": point,
            "properties": {**properties, "radius_m": known.get("radius_m"), "source": known.get("source")}}


def as_spots(query: FoundForQuery, target: str, name: Callable[[str], str] = str) -> list[dict[str, Any]]:
    """What a map shows of a query: its place and those of the hits that may show the same.

    Args:
        query: with its hits.
        target: where on the page it is shown, such as #query-1.
        name: from what a hit is called to what the page calls it.
    """
    spots = [(query.place, "query", query.query)]
    spots += [(hit.place, hit.verdict, name(hit.image)) for hit in query.hits
              if hit.verdict not in (ONLY_ALIKE, None)]
    return [{**as_degrees(place), "kind": kind, "name": printable(named), "target": target}
            for place, kind, named in spots if place is not None]
