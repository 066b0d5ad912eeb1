"""The transform by random samples, the best matches first, each good one refined (OpenCV).

Source: OpenCV, after Raguram et al., "USAC: A Universal Framework for Random Sample Consensus", TPAMI
2013. Samples by PROSAC, Chum and Matas, CVPR 2005; score and refinement by MAGSAC++, Barath et al., CVPR
2020, https://arxiv.org/abs/1912.05909. The confidence is chosen.
"""

from __future__ import annotations

import cv2
import numpy as np

from delg.geometry.transforms import TransformKind
from delg.geometry.verification import MatchedKeypoints, Verifier


def find_transform(matched: MatchedKeypoints, kind: TransformKind, threshold: float, max_iterations: int,
                   seed: int) -> np.ndarray | None:
    """The best transform of the samples, from index to query: float64 [3, 3], or None.

    Args:
        matched: where the matches lie.
        kind: homography or affine.
        threshold: pixels of the query; the largest distance of an inlier from its mapped partner.
        max_iterations: samples tried.
        seed: of the sampling.
    """
    settings = cv2.UsacParams()
    settings.sampler = cv2.SAMPLING_PROSAC
    settings.score = cv2.SCORE_METHOD_MAGSAC
    settings.loMethod = cv2.LOCAL_OPTIM_SIGMA
    settings.final_polisher = cv2.MAGSAC
    settings.confidence = 0.999
    settings.threshold = threshold
    settings.maxIterations = max_iterations
    settings.randomGeneratorState = seed
    settings.isParallel = False
    try:
        if kind.is_projective:
            return cv2.findHomography(matched.index_xy, matched.query_xy, settings)[0]
        found = cv2.estimateAffine2D(matched.index_xy, matched.query_xy, settings)[0]
    except cv2.error:  # a degenerate set, such as points that all coincide
        return None
    return None if found is None else np.vstack([found, [0, 0, 1]])


USAC = Verifier(find_transform)
