"""Landmark predictions for test images, from a ranking of the training images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from absl import logging

from data_prep.sources.formats.tables import read_table
from delg.recognition import votes
from delg.recognition.votes import NO_LANDMARK
from delg.scores.ranking import Ranking
from delg.settings.recognition import NUM_RESULTS, VoteConfig


def recognize(ranking: Ranking, landmarks: np.ndarray,
              config: VoteConfig) -> dict[str, tuple[int | str, float] | None]:
    """Landmark and confidence of every query; None where no landmark is recognised.

    A query that is one of the index images has no vote on itself.

    Args:
        ranking: test images against training images. Inliers below its floor count as none; where it was not
            verified, similarity alone counts.
        landmarks: [N]; what each index image of the ranking shows, numbers or names, NO_LANDMARK: none.
        config: how the neighbours vote.
    """
    if ranking.ranks.shape[1] < config.num_voters:
        logging.warning("%d neighbours are asked to vote, but the ranking has %d for a query.",
                        config.num_voters, ranking.ranks.shape[1])
    scores = votes.neighbor_scores(ranking.similarities, ranking.num_inliers, ranking.floor, config)
    row_of = {image_id: row for row, image_id in enumerate(ranking.index_ids)}
    own = np.array([row_of.get(query_id, -1) for query_id in ranking.query_ids])
    scores[ranking.ranks == own[:, None]] = 0.0
    found = votes.vote(landmarks[ranking.ranks], scores, config.num_voters)
    return {image: None if landmark == NO_LANDMARK else (landmark, confidence)
            for image, landmark, confidence in zip(ranking.query_ids, *(part.tolist() for part in found))}


def first_results(ranking: Ranking, num_results: int = NUM_RESULTS) -> dict[str, list[str]]:
    """The first index images of every query, in final order."""
    return {image: [ranking.index_ids[row] for row in rows]
            for image, rows in zip(ranking.query_ids, ranking.ranks[:, :num_results])}


def for_all_test_images(predictions: dict, test_csv: str, empty: Sequence | None) -> dict:
    """The predictions in the order of test.csv, `empty` for images of it that the ranking has no query for.

    Raises:
        ValueError: if a query is not in the table, or it is none with a column id.
    """
    ids = read_table(test_csv, {"id": str})["id"]
    unknown = predictions.keys() - set(ids)
    if unknown:
        raise ValueError(f"{test_csv} must list every query of the ranking. Received: none for "
                         f"{min(unknown)!r} ({len(unknown)} of {len(predictions)}).")
    return {image: predictions.get(image, empty) for image in ids}
