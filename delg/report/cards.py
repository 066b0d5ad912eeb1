"""Card of one query in the report: ranked lists, matched keypoints, attention maps."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from data_prep.records.pipeline import Example
from delg.features.reader import FeatureReader
from delg.geometry.comparing import Comparison, compare
from delg.pictures import drawing
from delg.report.queries import Hit, QueryOutcome
from delg.scores.percent import percent
from delg.scores.ranking import Ranking

_THUMBNAIL = (150, 220)  # height and width at most, pixels
_QUERY = (300, 440)
_MAP = (300, 440)
_MATCHED_HEIGHT, _UNMATCHED_HEIGHT = 400, 220
_NUM_MISSED = 10  # positives further down that are shown


def explained_hits(outcome: QueryOutcome) -> list[Hit]:
    """At most two hits that explain the result, best rank first.

    The first wrong image and the best positive below it; where nothing is wrong, the first positive and
    the last that was verified.
    """
    wrong = outcome.first_wrong()
    if wrong is not None:
        below = outcome.missed(wrong.rank)
        positive = below[0] if below else outcome.first_positive()
        return [wrong] if positive is None else sorted([wrong, positive], key=lambda hit: hit.rank)
    positives = outcome.missed(0)
    verified = [hit for hit in positives if hit.num_inliers > 0]
    return positives[:1] + [hit for hit in verified[-1:] if hit != positives[0]]


def shown_hits(outcome: QueryOutcome, num_hits: int) -> list[Hit]:
    """Every hit whose picture a card of `num_hits` per list takes."""
    return [*outcome.first_hits(num_hits, verified=False), *outcome.first_hits(num_hits),
            *outcome.missed(num_hits)[:_NUM_MISSED], *explained_hits(outcome)]


class CardMaker:
    """Makes the cards of one report.

    Args:
        ranking: what was found.
        query_features, index_features: readers of the features the ranking was made from.
        query_examples, index_examples: encoded images by id, all those the cards show.
        attention: from an image to its heat map, or None to take it from the keypoints' scores.
    """

    def __init__(self, ranking: Ranking, query_features: FeatureReader, index_features: FeatureReader,
                 query_examples: dict[str, Example], index_examples: dict[str, Example],
                 attention: Callable[[np.ndarray], np.ndarray] | None = None):
        self._ranking = ranking
        self._features = {"query": query_features, "index": index_features}
        self._examples = {"query": query_examples, "index": index_examples}
        self._attention = attention

    def make(self, outcome: QueryOutcome, anchor: str, num_hits: int, max_bytes: int) -> dict[str, Any]:
        """A query's card, as the template takes it; its pictures take at most `max_bytes` characters."""
        query_id = outcome.query_id
        example = self._examples["query"][query_id]
        query_image = drawing.decode(example)
        pictures = [drawing.draw_query_box(query_image, example.query_bbox, *_QUERY)]
        missed = outcome.missed(num_hits)
        strips = {"hits_before": outcome.first_hits(num_hits, verified=False),
                  "hits_after": outcome.first_hits(num_hits), "missed": missed[:_NUM_MISSED]}
        is_unchanged = strips["hits_before"] == strips["hits_after"]  # of no verification too
        if is_unchanged:
            del strips["hits_after"]
        card = {name: [dataclasses.asdict(hit) for hit in hits] for name, hits in strips.items()}
        thumbnails: dict[str, np.ndarray] = {}
        for hits in strips.values():
            for hit in hits:
                if hit.image_id not in thumbnails:
                    thumbnails[hit.image_id] = drawing.fit(self._index_image(hit), *_THUMBNAIL)[0]
                pictures.append(thumbnails[hit.image_id])
        explained = explained_hits(outcome)
        card["pairs"] = []
        for hit in explained:
            if hit.num_inliers >= 0:
                card["pairs"].append({**dataclasses.asdict(hit), "is_below_floor": self._is_below_floor(hit)})
                pictures.append(self._draw_pair(outcome, hit, query_image, example.query_bbox))
        card["maps"] = [{"image_id": query_id}, *(dataclasses.asdict(hit) for hit in explained)]
        pictures.append(self._attention_picture("query", query_id, query_image))
        pictures += [self._attention_picture("index", hit.image_id, self._index_image(hit))
                     for hit in explained]

        uris = iter(drawing.encode_within(pictures, max_bytes))
        card["picture"] = next(uris)
        for entry in (entry for name in (*strips, "pairs", "maps") for entry in card[name]):
            entry["picture"] = next(uris)
        return {**card, "anchor": anchor, "query_id": query_id, "has_box": example.query_bbox is not None,
                "has_positives": outcome.has_positives, "before": percent(outcome.before),
                "after": percent(outcome.after), "change": percent(outcome.change),
                "is_unchanged": is_unchanged and outcome.was_verified, "num_missed": len(missed),
                "num_shown": num_hits, "sentences": self._sentences(outcome)}

    def matched_points(self, query_id: str, image_id: str) -> tuple[np.ndarray, np.ndarray]:
        """Inliers of a query and an index image, verified again with the ranking's settings and seed.

        Returns:
            float32, [num_inliers, 2] each: pixels (y, x) of the query and of the index image.
        """
        found = self._compare(query_id, image_id)
        return found.query_yx, found.index_yx

    def _compare(self, query_id: str, image_id: str) -> Comparison:
        queries, images = self._features["query"], self._features["index"]
        return compare(queries.image(queries.row_of[query_id]), images.image(images.row_of[image_id]),
                       self._ranking.search_config)

    def _is_below_floor(self, hit: Hit) -> bool:
        return hit.num_inliers < self._ranking.floor

    def _index_image(self, hit: Hit) -> np.ndarray:
        return drawing.decode(self._examples["index"][hit.image_id])

    def _draw_pair(self, outcome: QueryOutcome, hit: Hit, query_image: np.ndarray,
                   box: np.ndarray | None) -> np.ndarray:
        found = self._compare(outcome.query_id, hit.image_id)
        outline = None if self._is_below_floor(hit) else found.outline_of(box)
        max_height = _MATCHED_HEIGHT if found.pair.num_inliers else _UNMATCHED_HEIGHT
        return drawing.draw_matches(query_image, self._index_image(hit), found.query_yx, found.index_yx, box,
                                    outline, max_height)

    def _attention_picture(self, part: str, image_id: str, image: np.ndarray) -> np.ndarray:
        if self._attention is not None:
            heat = self._attention(image)
        else:
            features = self._features[part]
            local = features.local_features(features.row_of[image_id])
            heat = drawing.heat_of_keypoints(local.keypoints_yx, local.scores, *image.shape[:2])
        return drawing.overlay_heat(image, heat, *_MAP)

    def _sentences(self, outcome: QueryOutcome) -> list[str]:
        row = self._features["query"].row_of[outcome.query_id]
        sentences = [f"In the index: {outcome.num_easy} easy and {outcome.num_hard} hard positives, "
                     f"{outcome.num_junk} junk. Local features on the query: "
                     f"{self._features['query'].num_local_features[row]}."]
        if outcome.has_positives:
            before, after = (outcome.num_among_first(10, verified) for verified in (False, True))
            found = f"{before} before verification, {after} after" if outcome.was_verified else str(after)
            sentences.append(f"Positives among the first ten: {found}, of {outcome.num_positives}.")
        return sentences
