"""Triplet sampling: a photograph, its place in the other domain, and another place."""

from __future__ import annotations

import numpy as np

from vae.data.photographs import Photographs

_HARD_SHARE = 0.5  # of the negatives; the others are any image of another place; chosen


class TripletSampler:
    """Draws triplets; those of a step depend on the seed and the step only.

    The anchor is of either domain. The positive shows the same view in the other domain where the pair is
    known, else the same place. Half of the negatives are hard: among the images of other places nearest to
    the anchor, in either domain. No negative is of the anchor's place, so none is a neighbouring frame.

    Args:
        photographs: with at least two places, one of them in both domains.
        similarities: float [N, N], of all photographs, by which hard negatives are chosen.
        num_hard: how many of the nearest of other places are hard.
        seed: of the draw.

    Raises:
        ValueError: if there is no triplet.
    """

    def __init__(self, photographs: Photographs, similarities: np.ndarray, num_hard: int, seed: int):
        self._seed = seed
        night, places, pairs = photographs.is_night, photographs.places, np.array(photographs.pairs)
        same = places[:, None] == places[None]
        across = same & (night[:, None] != night[None])
        view = across & (pairs[:, None] == pairs[None]) & (pairs != "")[:, None]
        self._positives = [np.flatnonzero(views if views.any() else others)
                           for views, others in zip(view, across)]
        self._negatives = [np.flatnonzero(~row) for row in same]
        self._anchors = np.array([row for row, (positives, negatives) in
                                  enumerate(zip(self._positives, self._negatives))
                                  if len(positives) and len(negatives)], np.int64)
        if not len(self._anchors):
            raise ValueError("Triplets need a place in both domains, and another place. Received: "
                             f"{len(photographs)} images of {len(set(places))} places.")
        order = np.argsort(np.where(same, np.inf, -np.asarray(similarities)), axis=1, kind="stable")
        self._hard = [row[:min(num_hard, len(negatives))] for row, negatives in zip(order, self._negatives)]

    def draw(self, step: int, count: int) -> np.ndarray:
        """Rows of anchor, positive and negative, int64 [count, 3]."""
        rng = np.random.default_rng([self._seed, step])
        anchors = rng.choice(self._anchors, count)
        rows = [(anchor, rng.choice(self._positives[anchor]),
                 rng.choice((self._hard if hard else self._negatives)[anchor]))
                for anchor, hard in zip(anchors, rng.random(count) < _HARD_SHARE)]
        return np.array(rows, np.int64)
