"""Where a query was taken, by the places of the images that were verified to show the same thing (numpy)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from delg.places.sphere import distances_m, geometric_median

CLUSTER_RADIUS_M = 500.0  # places this near to one of them speak for one place; chosen: docs/decisions/0080
LEAST_SHARE = 0.6  # of all weight, that must speak for one place; chosen: so
LEAST_RADIUS_M = 50.0  # of a place, as good as receivers are in streets; chosen


class Estimate(NamedTuple):
    """Where a query was taken."""

    latitude: float  # degrees north
    longitude: float  # degrees east
    radius_m: float  # metres, within which all images lie that speak for it


def estimate(places: np.ndarray, probabilities: np.ndarray, cluster_radius_m: float = CLUSTER_RADIUS_M,
             least_share: float = LEAST_SHARE) -> Estimate | None:
    """The place that most weight speaks for; None: there is no telling.

    Of the circles around each place the one with most weight counts, and in it the weighted geometric median,
    unless too little of all weight lies there.

    Args:
        places: float, [N, 2], degrees north and east, of images that are judged to show what the query shows.
        probabilities: float, [N], that they do: their weights.
        cluster_radius_m: of the circles.
        least_share: of all weight, that must lie in the circle.
    """
    places = np.asarray(places, np.float64).reshape(-1, 2)
    weights = np.asarray(probabilities, np.float64)
    if not len(places):
        return None
    is_near = distances_m(places, places) <= cluster_radius_m
    held = is_near @ weights
    middle = int(np.argmax(held))
    if held[middle] < least_share * weights.sum():
        return None
    cluster = places[is_near[middle]]
    found = geometric_median(cluster, weights[is_near[middle]])
    radius = float(distances_m(found, cluster).max())
    return Estimate(float(found[0]), float(found[1]), max(radius, LEAST_RADIUS_M))
