"""Verification of one pair, matching included: ours against the paper's recipe, in one process.

    OPENBLAS_NUM_THREADS=1 python -m tests.benchmarks.bench_verification [--homography_dir=DIR]

Planted pairs: 1000 x 1000 descriptors of 128; 10, 30 or 60 % of the features have a partner under a
random homography (2 px noise), whose descriptor is the same but for noise that leaves a cosine of 0.5 to
0.95; the others come from the same clusters, so that wrong neighbours are near, as on real facades. DIR holds
`pairs_homography.csv` (split, sequence, image1, image2, h11 ... h33) and its images, described here by
RootSIFT. A true inlier is a returned match within 5 px of the known homography; none is counted twice for
one feature. Prints a table; exits with 1 when ours is not 30 times faster or not better on every row.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator

import cv2
import numpy as np
import pandas as pd
import rich.console
import rich.table
from absl import app, flags

from delg import pairs, verification
from delg.config import SearchConfig
from delg.features_io import LocalFeatures

_HOMOGRAPHY_DIR = flags.DEFINE_string("homography_dir", None, "Folder of real pairs with known homographies.")
_NUM_PAIRS = flags.DEFINE_integer("num_pairs", 10, "Planted pairs per share of inliers.", lower_bound=1)
_MIN_SPEEDUP = flags.DEFINE_float("min_speedup", 30, "Least ratio of the paper recipe's time to ours.")

SIZE = (768, 1024)
METHODS = {"paper": SearchConfig(verifier="paper"), "ours, affine": SearchConfig(transform="affine"),
           "ours, not guided": SearchConfig(guided_neighbors=0), "ours": SearchConfig()}
Pair = tuple[LocalFeatures, LocalFeatures, np.ndarray]  # query, index, homography from index to query


def _features(points_xy: np.ndarray, descriptors: np.ndarray) -> LocalFeatures:
    descriptors = descriptors / np.maximum(np.linalg.norm(descriptors, axis=1, keepdims=True), 1e-9)
    ones = np.ones(len(points_xy), np.float32)
    return LocalFeatures(points_xy[:, ::-1].astype(np.float32), descriptors.astype(np.float32), ones, ones)


def planted_pairs(share: float, num_pairs: int, num_features: int = 1000,
                  dimension: int = 128) -> Iterator[Pair]:
    """Pairs with a share of true partners; deterministic."""
    for seed in range(num_pairs):
        generator = np.random.default_rng([seed, int(100 * share)])
        height, width = SIZE
        corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
        moved = corners + generator.uniform(-0.2, 0.2, (4, 2)).astype(np.float32) * width
        homography = cv2.getPerspectiveTransform(corners, moved)
        num_true = round(share * num_features)
        index_xy = generator.uniform((0, 0), (width, height), (num_features, 2))
        query_xy = generator.uniform((0, 0), (width, height), (num_features, 2))
        query_xy[:num_true] = (verification.project(homography, index_xy[:num_true])
                               + generator.normal(0, 2, (num_true, 2)))
        centres = generator.normal(size=(60, dimension))

        def descriptors(count: int, centres=centres, generator=generator) -> np.ndarray:
            return (centres[generator.integers(len(centres), size=count)]
                    + 0.9 * generator.normal(size=(count, dimension)))

        index_descriptors, query_descriptors = descriptors(num_features), descriptors(num_features)
        noise = generator.uniform(0.4, 2.2, (num_true, 1))
        query_descriptors[:num_true] = (index_descriptors[:num_true]
                                        + noise * generator.normal(size=(num_true, dimension)))
        order = generator.permutation(num_features)
        yield (_features(query_xy[order], query_descriptors[order]), _features(index_xy, index_descriptors),
               homography)


def real_pairs(folder: str) -> Iterator[tuple[str, Pair]]:
    """(name, pair) of every row of pairs_homography.csv; image1 is the index image."""
    sift = cv2.SIFT_create(nfeatures=1000)

    def described(name: str) -> LocalFeatures:
        image = cv2.imread(os.path.join(folder, name), cv2.IMREAD_GRAYSCALE)
        if image is None:
            raise FileNotFoundError(f"{name} of pairs_homography.csv must be an image in {folder}.")
        keypoints, descriptors = sift.detectAndCompute(image, None)
        points = np.array([keypoint.pt for keypoint in keypoints[:1000]])
        return _features(points, np.sqrt(descriptors[:1000]))  # RootSIFT, once normalised

    for row in pd.read_csv(os.path.join(folder, "pairs_homography.csv")).itertuples():
        homography = np.array([getattr(row, f"h{i}{j}") for i in (1, 2, 3) for j in (1, 2, 3)])
        yield (f"{row.sequence} {os.path.splitext(os.path.basename(row.image2))[0]}",
               (described(row.image2), described(row.image1), homography.reshape(3, 3)))


def run(config: SearchConfig, pair: Pair) -> tuple[int, int, float]:
    """(true inliers, inliers returned, seconds) of one method on one pair."""
    query, index, homography = pair
    start = time.perf_counter()
    found = pairs.verify_pair(query, index, config, SIZE)
    seconds = time.perf_counter() - start
    mapped = verification.project(homography, index.keypoints_yx[found.index_rows, ::-1])
    true = np.linalg.norm(mapped - query.keypoints_yx[found.query_rows, ::-1], axis=1) <= 5
    return len(np.unique(found.index_rows[true])), found.num_inliers, seconds


def main(_) -> None:
    cv2.setNumThreads(1)
    table = rich.table.Table(title="true inliers / returned, per pair; ms per pair (median)")
    for name in ("pairs", *METHODS, "times faster"):
        table.add_column(name, justify="right")
    failures = []
    sets = [(f"planted, {share:.0%}", list(planted_pairs(share, _NUM_PAIRS.value)))
            for share in (0.1, 0.3, 0.6)]
    if _HOMOGRAPHY_DIR.value:
        named = list(real_pairs(_HOMOGRAPHY_DIR.value))
        sets.append((f"real, {len(named)}", [pair for _, pair in named]))
    for title, some in sets:
        results = {name: np.array([run(config, pair) for pair in some]) for name, config in METHODS.items()}
        true = {name: result[:, 0].mean() for name, result in results.items()}
        speedup = np.median(results["paper"][:, 2]) / np.median(results["ours"][:, 2])
        table.add_row(title, *(f"{result[:, 0].mean():.1f} / {result[:, 1].mean():.1f}\n"
                               f"{1000 * np.median(result[:, 2]):.1f} ms" for result in results.values()),
                      f"{speedup:.0f}", end_section=True)
        if true["ours"] <= true["paper"] or speedup < _MIN_SPEEDUP.value:
            failures.append(title)
        if title.startswith("real"):
            better = int(np.sum(results["ours"][:, 0] > results["paper"][:, 0]))
            table.caption = f"real pairs: ours finds more on {better} of {len(some)}"
    rich.console.Console(width=120).print(table)
    if failures:
        sys.exit(f"Not {_MIN_SPEEDUP.value:g} times faster with more true inliers on: {', '.join(failures)}.")


if __name__ == "__main__":
    app.run(main)
