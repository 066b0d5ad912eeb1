"""Settings of the votes for landmarks."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class VoteConfig:
    """How neighbours vote."""

    num_voters: int = 5  # neighbours of a test image that vote, the best by score; chosen, 3 to 5 are usual
    max_inliers: int = 70  # a neighbour's inliers count up to here; versions of the baseline take 26 to 70
    inlier_vote: float = 1.0  # what so many inliers add to a score, which else is the cosine; the baseline's

    def __post_init__(self):
        for name, least in (("num_voters", 1), ("max_inliers", 1), ("inlier_vote", 0)):
            if not getattr(self, name) >= least:
                raise ValueError(f"`{name}` must be at least {least}. "
                                 f"Received: {name}={getattr(self, name)}.")
