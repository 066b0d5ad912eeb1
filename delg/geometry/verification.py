"""Geometric verification: the transform and the inliers among putative matches (numpy).

What verifiers have in common stands here; each is a module of `verifiers`, with its record.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from delg.geometry.transforms import TransformKind, is_plausible, project
from delg.settings.kinds import TRANSFORMS, VERIFIERS
from delg.settings.search import SearchConfig


@dataclasses.dataclass(frozen=True)
class MatchedKeypoints:
    """Where the keypoints of k putative matches lie, best match first.

    Attributes:
        query_xy: float64, [k, 2], pixels of the query; row i matches row i of `index_xy`.
        index_xy: float64, [k, 2], pixels of the index image.
        query_scales: float64, [k], positive, sizes of the query's keypoints in any unit.
        index_scales: float64, [k], positive, in the same unit.
    """

    query_xy: np.ndarray
    index_xy: np.ndarray
    query_scales: np.ndarray
    index_scales: np.ndarray

    def __len__(self) -> int:
        return len(self.query_xy)


@dataclasses.dataclass(frozen=True)
class Verifier:
    """A way to find the transform that most of the matches of two images agree on.

    Attributes:
        find_transform: from matches, a kind of transform, the largest error of an inlier in pixels of the
            query, the number of samples to try and the seed of sampling, to the transform: float64 [3, 3],
            or None where there is none. It is called with at least the matches that determine one.
        uses_scales: whether it reads the keypoints' scales; they are all 1 otherwise.
        is_one_way: whether it takes matches that share an index feature; they are one to one otherwise.
        in_raw_pixels: whether `inlier_threshold` is in pixels of the query as it is; otherwise it is meant
            for a query whose longer side is 1024 pixels.
        accepts_implausible: whether transforms count that no camera makes.
        min_matches: fewer are no match, even if they determine a transform.
        recipe: values of search settings that come with it, whatever was asked for: with `final_order` it
            has an order of its own, with `guided_neighbors` of 0 it may not be guided.
        default_floor: least number of inliers where a search names none; 0: it is calibrated.
    """

    find_transform: Callable[[MatchedKeypoints, TransformKind, float, int, int], np.ndarray | None]
    uses_scales: bool = False
    is_one_way: bool = False
    in_raw_pixels: bool = False
    accepts_implausible: bool = False
    min_matches: int = 0
    recipe: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    default_floor: int = 0

    @property
    def has_own_order(self) -> bool:
        """Whether the order of verified results comes with it."""
        return "final_order" in self.recipe

    def settle(self, config: SearchConfig) -> SearchConfig:
        """The settings of a search once those that come with the verifier are in place."""
        own = {**self.recipe, "min_inliers": config.min_inliers or self.default_floor}
        if all(getattr(config, name) == value for name, value in own.items()):
            return config
        return dataclasses.replace(config, **own)


def verifier_of(name: str) -> Verifier:
    """The verifier of a name.

    Raises:
        ValueError: if there is none.
    """
    if name not in VERIFIERS:
        raise ValueError(f"`verifier` must be one of {', '.join(VERIFIERS)}. Received: verifier={name!r}.")
    return VERIFIERS[name]


def verify_matches(query_yx: np.ndarray, index_yx: np.ndarray, verifier: str = "usac",
                   transform: str = "homography", threshold: float = 20.0, max_iterations: int = 1000,
                   seed: int = 0, query_scales: np.ndarray | None = None,
                   index_scales: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The transform most matches agree on, and which do; equal input and seed give equal output.

    Args:
        query_yx: float, [k, 2], pixels of the query; row i matches row i of `index_yx`, best match first.
        index_yx: float, [k, 2], pixels of the index image.
        verifier: a name of VERIFIERS; each says in its module what it does.
        transform: a name of TRANSFORMS.
        threshold: pixels of the query; the largest distance of an inlier from its mapped partner.
        max_iterations: samples tried, by verifiers that sample.
        seed: of the sampling.
        query_scales: float, [k], positive, sizes of the query's keypoints, for verifiers that use them; None:
            all equal.
        index_scales: float, [k], positive, sizes of the index image's keypoints in the same unit.

    Returns:
        transform: float64, [3, 3], from index (x, y, 1) to the query; all NaN when none was found.
        inliers: bool, [k]; all False when none was found, or with fewer matches than a sample takes.

    Raises:
        ValueError: if an argument is not one of those named, or a scale that is used is not positive.
    """
    chosen = verifier_of(verifier)
    if transform not in TRANSFORMS:
        raise ValueError(f"`transform` must be one of {', '.join(TRANSFORMS)}. "
                         f"Received: transform={transform!r}.")
    kind, num_matches = TRANSFORMS[transform], len(query_yx)
    given = {"query_scales": query_scales, "index_scales": index_scales}
    scales = {name: _checked(name, values if chosen.uses_scales else None, num_matches)
              for name, values in given.items()}
    none = np.full((3, 3), np.nan), np.zeros(num_matches, bool)
    if num_matches < max(kind.sample_size, chosen.min_matches):
        return none
    query_xy = np.ascontiguousarray(query_yx[:, ::-1], np.float64)
    index_xy = np.ascontiguousarray(index_yx[:, ::-1], np.float64)
    found = chosen.find_transform(MatchedKeypoints(query_xy, index_xy, **scales), kind, threshold,
                                  max_iterations, seed)
    if found is None:
        return none
    if index_xy.mean(axis=0) @ found[2, :2] + found[2, 2] < 0:
        found = -found  # the same transform; depth is positive where the matches are
    inliers = np.linalg.norm(project(found, index_xy) - query_xy, axis=1) <= threshold
    if not inliers.any() or not (chosen.accepts_implausible or is_plausible(found, index_xy[inliers])):
        return none
    return found, inliers


def _checked(name: str, scales: np.ndarray | None, num_matches: int) -> np.ndarray:
    scales = np.ones(num_matches) if scales is None else np.asarray(scales, np.float64)
    if scales.shape != (num_matches,) or not np.all((scales > 0) & np.isfinite(scales)):
        raise ValueError(f"`{name}` must be one positive number per match, {num_matches} here. "
                         f"Received: shape {scales.shape}, least {scales.min(initial=np.inf):g}.")
    return scales
