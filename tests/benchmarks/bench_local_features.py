"""How far local features can be verified: true inliers on planes, inliers of positives against chance.

    python -m tests.benchmarks.bench_local_features --query_features='F/query-*' \\
        --index_features='F/index-*' --ground_truth=GND [--homography_features='H/*.h5' --homography_dir=DIR]

- Positive pairs: of each query and up to `num_pairs` of its easy and hard images, drawn at random. Wrong
  pairs: of each query and as many images that are neither positive nor junk.
- The floor is that of a search: of wrong pairs as they are and with their keypoints exchanged. Area: the
  probability that a positive pair has more inliers than a wrong one.
- H holds the features of the images of DIR (`delg.extract_features --images_dir=DIR`), where
  pairs_homography.csv is. A true inlier lies within 5, 10, 20 px of where the known homography puts it.

Features of other systems are measured the same, once `delg.convert_features` has put them into shards.
"""

from __future__ import annotations

import dataclasses
import os
import time

import numpy as np
import pandas as pd
from absl import app, flags

from delg.features.reader import FeatureReader
from delg.geometry import pairs, transforms
from delg.geometry.pairs import VerifiedPair
from delg.scores.ground_truth import load_ground_truth
from delg.search.floor import floor_over
from delg.settings.search import SearchConfig

_QUERY_FEATURES = flags.DEFINE_string("query_features", None, "Glob of the queries' shards.", required=True)
_INDEX_FEATURES = flags.DEFINE_string("index_features", None, "Glob of the index's shards.", required=True)
_GROUND_TRUTH = flags.DEFINE_string("ground_truth", None, "Ground truth file.", required=True)
_HOMOGRAPHY_FEATURES = flags.DEFINE_string("homography_features", None, "Glob of shards of planar images.")
_HOMOGRAPHY_DIR = flags.DEFINE_string("homography_dir", None, "Folder of pairs_homography.csv.")
_NUM_PAIRS = flags.DEFINE_integer("num_pairs", 5, "Positive and wrong pairs of a query, at most.")
_VERIFIER = flags.DEFINE_string("verifier", "usac", "Verifier.")

_PIXELS = (5, 10, 20)


class _Pairs:
    """Verifies pairs of images by id."""

    def __init__(self, queries: FeatureReader, images: FeatureReader, config: SearchConfig):
        self._queries, self._images, self._config = queries, images, config
        self._generator = np.random.default_rng(0)

    def verify(self, query_id: str, index_id: str, out_of_place: bool = False) -> VerifiedPair:
        row = self._queries.row_of[query_id]
        index = self._images.local_features(self._images.row_of[index_id])
        if out_of_place:
            order = self._generator.permutation(len(index))
            index = dataclasses.replace(index, keypoints_yx=index.keypoints_yx[order],
                                        scales=index.scales[order])
        return pairs.verify_pair(self._queries.local_features(row), index, self._config,
                                 tuple(self._queries.image_sizes[row]))


def true_inliers(reader: FeatureReader, folder: str, config: SearchConfig) -> tuple[np.ndarray, np.ndarray]:
    """Inliers within `_PIXELS` of their true places, [pairs, 3], and inliers returned, [pairs]."""
    verifier, true, returned = _Pairs(reader, reader, config), [], []
    for row in pd.read_csv(os.path.join(folder, "pairs_homography.csv")).itertuples():
        homography = np.array([getattr(row, f"h{i}{j}") for i in (1, 2, 3) for j in (1, 2, 3)]).reshape(3, 3)
        found = verifier.verify(row.image2, row.image1)
        query, index = (reader.local_features(reader.row_of[name]) for name in (row.image2, row.image1))
        mapped = transforms.project(homography, index.keypoints_yx[found.index_rows, ::-1])
        errors = np.linalg.norm(mapped - query.keypoints_yx[found.query_rows, ::-1], axis=1)
        true.append([np.count_nonzero(errors <= pixels) for pixels in _PIXELS])
        returned.append(found.num_inliers)
    return np.array(true), np.array(returned)


def main(_) -> None:
    config = SearchConfig(verifier=_VERIFIER.value)
    truth, generator = load_ground_truth(_GROUND_TRUTH.value), np.random.default_rng(0)
    with FeatureReader(_QUERY_FEATURES.value) as queries, FeatureReader(_INDEX_FEATURES.value) as images:
        verifier = _Pairs(queries, images, config)
        positive, wrong, by_chance, start = [], [], [], time.perf_counter()
        for query, query_id in enumerate(truth.query_ids):
            positives = np.concatenate([truth.easy[query], truth.hard[query]])
            others = np.setdiff1d(np.arange(len(truth.index_ids)), np.r_[positives, truth.junk[query]])
            for chosen, inliers in ((positives, positive), (others, wrong)):
                for row in generator.permutation(chosen)[:_NUM_PAIRS.value]:
                    inliers.append(verifier.verify(query_id, truth.index_ids[row]).num_inliers)
                    if chosen is others:
                        by_chance.append(verifier.verify(query_id, truth.index_ids[row], True).num_inliers)
        milliseconds = 1000 * (time.perf_counter() - start) / len(positive + wrong + by_chance)
        positive, wrong, by_chance = map(np.array, (positive, wrong, by_chance))
        floor = floor_over(by_chance, wrong)
        area = np.mean((positive[:, None] > wrong) + 0.5 * (positive[:, None] == wrong))
        print(f"{len(positive)} positive pairs: {positive.mean():.1f} inliers, "
              f"{(positive >= floor).mean():.1%} reach the floor {floor:.1f}; area {area:.4f}")
        print(f"{len(wrong)} wrong pairs: {wrong.mean():.1f} inliers, 99 % {np.quantile(wrong, 0.99):.0f}; "
              f"out of place {by_chance.mean():.1f}, {milliseconds:.1f} ms a pair, "
              f"{images.num_local_features.mean():.0f} features an image")
    if _HOMOGRAPHY_FEATURES.value:
        with FeatureReader(_HOMOGRAPHY_FEATURES.value) as planes:
            true, returned = true_inliers(planes, _HOMOGRAPHY_DIR.value, config)
        print(f"{len(true)} planar pairs: {returned.mean():.1f} inliers, within {_PIXELS} px of their places "
              f"{true.mean(axis=0).round(1).tolist()}")


if __name__ == "__main__":
    app.run(main)
