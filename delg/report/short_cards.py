"""Short cards of a report: the queries that are not shown in full, each with its first hits."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from data_prep.stage import progress
from delg.pictures import drawing
from delg.pictures.page_pictures import PagePictures
from delg.report import inputs
from delg.report.queries import QueryOutcome
from delg.scores.percent import percent
from delg.settings.report import ReportConfig

_THUMBNAIL = (150, 220)  # height and width at most, pixels


def make_short_cards(config: ReportConfig, outcomes: Sequence[QueryOutcome], anchors: Mapping[int, str],
                     pictures: PagePictures) -> list[dict[str, Any]]:
    """Cards in the order of `outcomes`, as the template takes them.

    Args:
        config: names the images and says how many hits a card shows.
        outcomes: of the queries to show.
        anchors: id of each card by its outcome's row.
        pictures: takes the pictures; a card has their names.
    """
    if not outcomes:
        return []
    hits = {outcome.row: outcome.first_hits(config.num_hits) for outcome in outcomes}
    queries = inputs.read_images_of(config.query_images, {outcome.query_id for outcome in outcomes},
                                    "query_images")
    images = inputs.read_images_of(config.index_images, {hit.image_id for some in hits.values()
                                                         for hit in some}, "index_images")
    thumbnails: dict[str, np.ndarray] = {}

    def thumbnail(image_id: str) -> str:
        if image_id not in thumbnails:
            thumbnails[image_id] = drawing.fit(drawing.decode(images[image_id]), *_THUMBNAIL)[0]
        return _add(pictures, thumbnails[image_id])  # at each place of the page again: inside it, each counts

    cards = []
    for outcome in progress.track(outcomes, "Drawing other queries", unit="queries"):
        example = queries[outcome.query_id]
        cards.append({
            "anchor": anchors[outcome.row], "query_id": outcome.query_id,
            "has_box": example.query_bbox is not None, "has_positives": outcome.has_positives,
            "before": percent(outcome.before), "after": percent(outcome.after),
            "change": percent(outcome.change),
            "picture": _add(pictures, drawing.draw_query_box(drawing.decode(example), example.query_bbox,
                                                             *_THUMBNAIL)),
            "hits": [{**dataclasses.asdict(hit), "picture": thumbnail(hit.image_id)}
                     for hit in hits[outcome.row]]})
    return cards


def _add(pictures: PagePictures, picture: np.ndarray) -> str:
    return pictures.add(picture, quality=70)
