"""Where a query's box lies in a hit, against the truth: outlines by `placing` and by the verified homography.

    python -m tests.benchmarks.bench_boxes --homography_dir=DIR --saved_model=build/real/saved_model

DIR holds `pairs_homography.csv` (split, sequence, image1, image2, h11 ... h33) and its images. Of each pair
with four inliers or more, the frame of image1 and its middle quarter are mapped into image2; the table has
the mean intersection over union with the true outline and the shares above 0.5 and 0.8, by all inliers, by
some at random, and by 25 neighbours, which leave the most to be guessed. A homography of fewer inliers is
estimated from these as verification does it.
"""

from __future__ import annotations

import os

import cv2
import numpy as np
import pandas as pd
import rich.console
import rich.table
from absl import app, flags

from delg.features.describing import ImageDescriber
from delg.geometry import pairs, placing, verification
from delg.geometry.transforms import project
from delg.settings.extraction import ExtractConfig
from delg.settings.search import SearchConfig

_HOMOGRAPHY_DIR = flags.DEFINE_string("homography_dir", None, "Folder of pairs.", required=True)
_SAVED_MODEL = flags.DEFINE_string("saved_model", None, "Exported model with local features.", required=True)

_NUM_CHOICES = 3  # of inliers, where some are left out


def overlap(outline_xy: np.ndarray | None, truth_xy: np.ndarray, image_size: tuple[int, int]) -> float:
    """Intersection over union of two convex outlines within an image, counted in pixels."""
    masks = []
    for outline in (outline_xy, truth_xy):
        mask = np.zeros(image_size, np.uint8)
        if outline is not None and np.all(np.abs(outline) < 1e6):
            cv2.fillConvexPoly(mask, np.round(outline).astype(np.int32)[:, None], 1)
        masks.append(mask > 0)
    return float((masks[0] & masks[1]).sum() / max((masks[0] | masks[1]).sum(), 1))


def by_homography(box: np.ndarray, query_yx: np.ndarray, index_yx: np.ndarray,
                  threshold: float) -> np.ndarray | None:
    """Corners of the box by the homography that verification finds."""
    transform, _ = verification.verify_matches(query_yx, index_yx, threshold=threshold)
    return None if np.isnan(transform).any() else project(np.linalg.inv(transform), corners(box))


def corners(box: np.ndarray) -> np.ndarray:
    x1, y1, x2, y2 = box
    return np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]])


def choose(name: str, query_yx: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Rows of the inliers that are left."""
    order = generator.permutation(len(query_yx))
    if name == "25 neighbours":
        return np.argsort(np.linalg.norm(query_yx - query_yx[order[0]], axis=1))[:25]
    return order[:{"all": None, "8 at random": 8, "34 at random": 34}[name]]


def main(_) -> None:
    folder, config = _HOMOGRAPHY_DIR.value, SearchConfig()
    describer = ImageDescriber(_SAVED_MODEL.value, ExtractConfig(precision="float32"))
    cases = ("all", "34 at random", "8 at random", "25 neighbours")
    overlaps = {(case, method): [] for case in cases for method in ("homography", "placing")}
    generator = np.random.default_rng(0)
    for row in pd.read_csv(os.path.join(folder, "pairs_homography.csv")).itertuples():
        described = []
        for name in (row.image1, row.image2):
            with open(os.path.join(folder, name), "rb") as file:
                described.append(describer.describe(file.read()))
        one, other = described
        truth = np.array([[getattr(row, f"h{i}{j}") for j in (1, 2, 3)] for i in (1, 2, 3)])
        pair = pairs.verify_pair(one.local, other.local, config, one.image_size)
        query_yx = one.local.keypoints_yx[pair.query_rows].astype(np.float64)
        index_yx = other.local.keypoints_yx[pair.index_rows].astype(np.float64)
        threshold = pairs.inlier_threshold(config, one.image_size)
        (height, width), size = one.image_size, other.image_size
        for case in cases:
            for _ in range(1 if case == "all" else _NUM_CHOICES):
                if pair.num_inliers < (25 if case == "25 neighbours" else 4):
                    continue
                kept = choose(case, query_yx, generator)
                for box in ((0, 0, width, height), (width / 4, height / 4, width * 3 / 4, height * 3 / 4)):
                    given = (np.array(box), query_yx[kept], index_yx[kept], threshold)
                    true_outline = project(truth, corners(box))
                    overlaps[case, "homography"].append(overlap(by_homography(*given), true_outline, size))
                    placed = placing.place_box(*given, size)
                    overlaps[case, "placing"].append(overlap(placed, true_outline, size))
    table = rich.table.Table("inliers", "outline by", "boxes", "mean IoU", "above 0.5", "above 0.8")
    for (case, method), values in overlaps.items():
        held = np.array(values)
        table.add_row(case, method, str(len(held)),
                      *(f"{value:.3f}" for value in (held.mean(), (held > 0.5).mean(), (held > 0.8).mean())))
    rich.console.Console().print(table)


if __name__ == "__main__":
    app.run(main)
