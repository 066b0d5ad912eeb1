"""Points on the globe, as latitude and longitude in degrees: distances and a middle (numpy).

All goes by vectors from the centre of the Earth, for which neither poles nor date line are special.
"""

from __future__ import annotations

import numpy as np

EARTH_RADIUS_M = 6_371_008.8  # mean radius. Source: Moritz (2000), Geodetic Reference System 1980
_COINCIDENT = 1e-10  # radians, 0.6 mm: nearer points count as one
_MAX_STEPS = 200


def distances_m(places: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Metres along great circles: float64 [N, M].

    By the length of chords, which is exact for near and for opposite points alike up to some millimetres.

    Args:
        places: float, [N, 2], degrees north and east.
        others: float, [M, 2], so.
    """
    chords = np.linalg.norm(_vectors(places)[:, None] - _vectors(others)[None], axis=2)
    return 2 * EARTH_RADIUS_M * np.arcsin(np.minimum(chords / 2, 1))


def geometric_median(places: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The point whose weighted sum of distances to some places is least: float64 [2], degrees.

    A place that has half of the weight or more is it itself; half of the weight must be wrong to move it far.
    For places within some hundred kilometres, where chords and great circles are alike.
    Source: Vardi and Zhang (2000), The multivariate L1-median and associated data depth:
    Weiszfeld's steps, which also leave a place that is not the median.

    Args:
        places: float, [N, 2], degrees north and east; N at least 1.
        weights: float, [N], above 0.
    """
    vectors, weights = _vectors(places), np.asarray(weights, np.float64)
    costs = np.linalg.norm(vectors[:, None] - vectors[None], axis=2) @ weights
    found = vectors[int(np.argmin(costs))]  # the best of the places; the median is it, or better
    for _ in range(_MAX_STEPS):
        away = np.linalg.norm(vectors - found, axis=1)
        is_here = away < _COINCIDENT
        here, shares = weights[is_here].sum(), np.where(is_here, 0, weights / np.maximum(away, _COINCIDENT))
        pull = np.linalg.norm(shares @ (vectors - found))
        if pull <= here:
            break  # what is here holds it against all others
        step = (1 - here / pull) * (shares @ vectors / shares.sum() - found)
        found = found + step
        found /= np.linalg.norm(found)
        if np.linalg.norm(step) < _COINCIDENT:
            break
    x, y, z = found
    return np.degrees([np.arctan2(z, np.hypot(x, y)), np.arctan2(y, x)])


def _vectors(places: np.ndarray) -> np.ndarray:
    """Unit vectors, float64 [N, 3]."""
    latitudes, longitudes = np.radians(np.asarray(places, np.float64).reshape(-1, 2)).T
    return np.stack([np.cos(latitudes) * np.cos(longitudes), np.cos(latitudes) * np.sin(longitudes),
                     np.sin(latitudes)], axis=1)
