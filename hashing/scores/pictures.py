"""Hits and failures of codes in pictures: the queries that fare worst and best, with their nearest images."""

from __future__ import annotations

from typing import Any

import numpy as np

from data_prep.records.pipeline import Example, read_examples_of
from delg.pictures import drawing
from delg.scores.percent import percent
from hashing.codes import codes
from hashing.codes.code_shards import EncodedImages
from hashing.scores import evaluation, metrics

_THUMBNAIL = (150, 220)  # height and width at most, pixels
_QUALITY = 75  # of JPEG


def draw_queries(queries: EncodedImages, index: EncodedImages, images: str, num_classes: int = 0,
                 num_queries: int = 3, num_hits: int = 8) -> list[dict[str, Any]]:
    """The queries of lowest and of highest average precision, each with its nearest images.

    Args:
        queries, index: with labels; of the same model.
        images: glob of the TFRecord shards of all of them.
        num_classes: as in `evaluation.evaluate`.
        num_queries: of failures, and of successes, in each part; no query is both.
        num_hits: images shown of each; those at one distance in the order of the index.

    Returns:
        For "seen" and, where there are such, "unseen": {"part", "failures", "successes"}, lists of {"id",
        "label", "picture", "mAP" in percent, "hits": [{"id", "label", "picture", "distance" in bits, "right",
        "rank" from 1}]}; pictures are data URIs. Queries without a relevant image are left out.

    Raises:
        FileNotFoundError: no shard matches.
        ValueError: an image to be shown is not in the shards.
    """
    chosen = []
    for part, taken in (("seen", lambda labels: labels < num_classes if num_classes else labels >= 0),
                        ("unseen", lambda labels: (labels >= num_classes) & (num_classes > 0))):
        asked, sought = queries.take(taken(queries.labels)), index.take(taken(index.labels))
        if len(asked) and len(sought):
            failures, successes = _choose(asked, sought, num_queries, num_hits)
            chosen.append({"part": part, "failures": failures, "successes": successes})
    cards = [card for group in chosen for card in group["failures"] + group["successes"]]
    shown = [entry for card in cards for entry in (card, *card["hits"])]
    examples = read_examples_of(images, {entry["id"] for entry in shown}, "images")
    for entry in shown:
        entry["picture"] = _thumbnail(examples[entry["id"]])
    return chosen


def _choose(queries: EncodedImages, index: EncodedImages, num_queries: int,
            num_hits: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    query_bits, index_bits = (codes.unpack(part.packed_codes, part.code_size) for part in (queries, index))
    precisions = metrics.average_precisions(evaluation.count_codes(query_bits, queries.labels, index_bits,
                                                                   index.labels))
    order = np.argsort(precisions, kind="stable")
    order = order[np.isfinite(precisions[order])]
    num_queries = min(num_queries, (len(order) + 1) // 2)

    def card(row: int) -> dict[str, Any]:
        distances = codes.hamming_distances(query_bits[row:row + 1], index_bits)[0]
        nearest = np.argsort(distances, kind="stable")[:num_hits]
        return {"id": queries.ids[row], "label": int(queries.labels[row]), "mAP": percent(precisions[row]),
                "hits": [{"id": index.ids[found], "label": int(index.labels[found]), "rank": rank,
                          "distance": int(distances[found]),
                          "right": bool(index.labels[found] == queries.labels[row])}
                         for rank, found in enumerate(nearest, 1)]}

    failures = [card(row) for row in order[:num_queries]]
    best = order[num_queries:][::-1][:num_queries]
    return failures, [card(row) for row in best]


def _thumbnail(example: Example) -> str:
    return drawing.jpeg_data_uri(drawing.fit(drawing.decode(example), *_THUMBNAIL)[0], _QUALITY)
