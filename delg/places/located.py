"""Places put to what was found: those of the hits, and that of the query, known or told by the hits."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

from delg.places.estimate import estimate
from delg.scores.found import HITS, SAME, FoundForQuery, FoundImage, Place


def located(found: FoundForQuery, own: Place | None,
            place_of: Callable[[str], Place | None]) -> FoundForQuery:
    """What was found with its places.

    Args:
        found: for a query.
        own: place of the query itself; None: not known, and the hits tell it where they can.
        place_of: from what a hit is called to its place, or None.
    """
    hits = located_hits(found.hits, place_of)
    return dataclasses.replace(found, hits=hits, place=own or place_by_hits(hits))


def located_hits(hits: Iterable[FoundImage],
                 place_of: Callable[[str], Place | None]) -> tuple[FoundImage, ...]:
    """Hits with their places; arguments as of `located`."""
    return tuple(dataclasses.replace(hit, place=place_of(hit.image)) for hit in hits)


def place_by_hits(hits: Iterable[FoundImage]) -> Place | None:
    """The place of a query by those of its hits that are the same; None: cannot be told."""
    told = [(hit.place, hit.probability) for hit in hits
            if hit.verdict == SAME and hit.place is not None and hit.probability]
    found = estimate([(place.latitude, place.longitude) for place, _ in told],
                     [probability for _, probability in told])
    return found and Place(*found, source=HITS)
