"""Settings of the votes for landmarks."""

from __future__ import annotations

import dataclasses

from data_prep.stage.settings import check_fields, setting

NUM_RESULTS = 100  # images a query may name in the retrieval competition


@dataclasses.dataclass(frozen=True)
class VoteConfig:
    """How neighbours vote."""

    num_voters: int = setting(
        5, help="neighbours of a test image that vote, the best by score; chosen, 3 to 5 are usual",
        range="[1, inf)")
    max_inliers: int = setting(
        70, help="inliers of a neighbour count up to here; versions of the baseline take 26 to 70",
        range="[1, inf)")
    inlier_vote: float = setting(
        1.0, help="what max_inliers add to a neighbour's score, which else is the cosine; the baseline's",
        range="[0, inf)")

    def __post_init__(self):
        check_fields(self)
