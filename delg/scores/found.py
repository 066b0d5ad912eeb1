"""What was found for a query, as a person is told: images with verdict, probability and box, best first."""

from __future__ import annotations

import dataclasses

SAME, UNSURE, ONLY_ALIKE = "same", "unsure", "only alike"  # verdicts on an image that was found
GPS, TABLE, HITS = "gps", "table", "hits"  # how a place is known: by the file, a table, or those of the hits
NOT_HERE = "not in this collection"  # verdict on a query; else the best of those on its images


@dataclasses.dataclass(frozen=True)
class Place:
    """Where an image was taken.

    Attributes:
        latitude, longitude: degrees north and east.
        radius_m: metres around it within which all hits lie that it comes from; None: it is the image's own.
        source: GPS, TABLE or HITS.
    """

    latitude: float
    longitude: float
    radius_m: float | None = None
    source: str = TABLE


@dataclasses.dataclass(frozen=True)
class FoundImage:
    """One image found for a query.

    Attributes:
        image: path or id.
        rank: one-based.
        similarity: cosine of the global descriptors, or the score it was ranked by.
        num_inliers: local features that agree on one transform; -1: not verified.
        probability: that it shows what the query shows, in [0, 1]; None: not judged.
        verdict: SAME, UNSURE or ONLY_ALIKE; None: not judged.
        box: x1, y1, x2, y2, pixels of the image, around what the query shows; None: not known.
        place: where it was taken; None: not known.
    """

    image: str
    rank: int
    similarity: float
    num_inliers: int = -1
    probability: float | None = None
    verdict: str | None = None
    box: tuple[float, float, float, float] | None = None
    place: Place | None = None


@dataclasses.dataclass(frozen=True)
class FoundForQuery:
    """All that was found for one query.

    Attributes:
        query: path or id.
        hits: best first.
        verdict: in words, such as "not in this collection"; None: not judged.
        box: x1, y1, x2, y2, pixels of the query, of what was searched for; None: the whole image.
        copies: other images whose files are equal to the query's; no hits.
        place: where it was taken; None: cannot be told.
    """

    query: str
    hits: tuple[FoundImage, ...]
    verdict: str | None = None
    box: tuple[float, float, float, float] | None = None
    copies: tuple[str, ...] = ()
    place: Place | None = None
