"""The recipe of DELG's reference implementation: one-way matches, affine RANSAC, order by inliers.

Source: Cao et al., "Unifying Deep Local and Global Features for Image Search", ECCV 2020,
https://arxiv.org/abs/2001.05027; RANSAC: Fischler and Bolles, Communications of the ACM 1981.
"""

from __future__ import annotations

import warnings

import numpy as np
from skimage import measure
from skimage import transform as geometry

from delg.geometry.transforms import TransformKind
from delg.geometry.verification import MatchedKeypoints, Verifier

_SAMPLE_SIZE = 3  # of an affine map


def find_transform(matched: MatchedKeypoints, kind: TransformKind, threshold: float, max_iterations: int,
                   seed: int) -> np.ndarray | None:
    """The affine map with the most inliers among random samples (scikit-image): float64 [3, 3], or None.

    Args:
        matched: where the matches lie.
        kind: not read; a homography is not part of the recipe.
        threshold: pixels of the query; the largest distance of an inlier from its mapped partner.
        max_iterations: samples tried.
        seed: of the sampling.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns when no sample gives a model
        found, _ = measure.ransac((matched.index_xy, matched.query_xy), geometry.AffineTransform,
                                  min_samples=_SAMPLE_SIZE, residual_threshold=threshold,
                                  max_trials=max_iterations, rng=np.random.default_rng(seed))
    return None if found is None else found.params


PAPER = Verifier(
    find_transform, is_one_way=True, in_raw_pixels=True, accepts_implausible=True,
    min_matches=4,  # the reference asks for four matches though an affine sample takes three
    recipe={"matcher": "threshold", "transform": "affine", "guided_neighbors": 0, "final_order": "inliers",
            "expand_query": False, "rerankers": ""},
    default_floor=1)
