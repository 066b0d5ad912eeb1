"""What the API answers: the shapes of its JSON, which OpenAPI describes.

Pydantic evaluates the annotations, which Python 3.9 must understand.
"""

from typing import Optional

import numpy as np
from pydantic import BaseModel, Field

from delg.photos import found_files
from delg.places import shown
from delg.scores.found import FoundImage
from delg.serving.searched import Answer, Matches

Point = tuple[float, float]


def _points(points_xy: np.ndarray) -> list[Point]:
    return [(round(float(x), 1), round(float(y), 1)) for x, y in points_xy]


class Place(BaseModel):
    """Where an image was taken."""

    latitude: float = Field(description="degrees north")
    longitude: float = Field(description="degrees east")
    radius_m: Optional[float] = Field(
        description="metres, within which all hits lie that it comes from; null: it is the image's own")
    source: str = Field(description="gps, table, or hits: those that are the same told it")


class Hit(BaseModel):
    """One image found, as delg.find_images writes it."""

    image: str = Field(description="its id")
    rank: int = Field(description="from 1")
    similarity: float = Field(description="cosine of the global descriptors")
    num_inliers: int = Field(description="local features that agree on one transform; -1: not verified")
    probability: Optional[float] = Field(description="that it shows what the query shows; null: not judged")
    verdict: Optional[str] = Field(description="same, unsure or only alike; null: not judged yet")
    box: Optional[tuple[float, float, float, float]] = Field(
        description="x1, y1, x2, y2, pixels of the image, around what the query shows; null: not known")
    place: Optional[Place] = Field(description="null: not known")

    @classmethod
    def of(cls, hit: FoundImage) -> "Hit":
        """The hit as it is answered."""
        return cls(**found_files.as_hit(hit))


class Found(BaseModel):
    """The answer to a search."""

    verdict: Optional[str] = Field(description="same, unsure or not in this collection; null: not verified")
    place: Optional[Place] = Field(description="where the query was taken; null: cannot be told")
    hits: list[Hit]

    @classmethod
    def of(cls, answer: Answer) -> "Found":
        """The answer as it is answered."""
        return cls(verdict=answer.verdict, place=shown.as_degrees(answer.place),
                   hits=[Hit.of(hit) for hit in answer.hits])


class LiveFound(Found):
    """The answer of a search that may still go on."""

    search: str = Field(description="id of the search")
    query_size: tuple[int, int] = Field(description="height and width of the query, pixels")
    is_final: bool = Field(description="whether nothing more comes")


class MatchedPoints(BaseModel):
    """What agrees between the query and an image: row i of the one with row i of the other."""

    query_size: tuple[int, int] = Field(description="height and width, pixels")
    image_size: tuple[int, int]
    query_points: list[Point] = Field(description="x, y, pixels of the query")
    image_points: list[Point]
    outline: Optional[list[Point]] = Field(
        description="x, y, pixels of the image: where the query, or its box, lies; null: not known")

    @classmethod
    def of(cls, matches: Matches) -> "MatchedPoints":
        """The matches as they are answered."""
        outline = None if matches.outline_xy is None else _points(matches.outline_xy)
        return cls(query_size=matches.query_size, image_size=matches.image_size, outline=outline,
                   query_points=_points(matches.query_yx[:, ::-1]),
                   image_points=_points(matches.image_yx[:, ::-1]))


class Verified(BaseModel):
    """One image compared with the query."""

    hit: Hit
    matches: MatchedPoints


class MapSettings(BaseModel):
    """What the page draws a map on."""

    tile_url: str = Field(description="of map tiles; empty: coasts and a grid")
    tile_attribution: str = Field(description="words that the owner of the tiles wants")


class Images(BaseModel):
    """Some of the images of the collection, in the order of their ids."""

    total: int = Field(description="images whose ids contain what was asked for")
    images: list[str]
    can_change: bool = Field(description="whether images can be added and removed")


class Changed(BaseModel):
    """An image that was added or removed."""

    image: str


class Health(BaseModel):
    """Whether the server serves."""

    status: str
    images: int


class ErrorBody(BaseModel):
    """What went wrong."""

    status: int
    message: str


class Error(BaseModel):
    """The form of every error."""

    error: ErrorBody
