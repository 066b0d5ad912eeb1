"""A search small enough to know by heart: three queries, six index images, planted matches.

Landmark A is on the queries `QUERY_A` and index images `near` and `far`, seen through similarities, each with
NUM_POINTS common points; `other` shows landmark B, as does the query `b`. By global descriptors alone the
wrong image `trap` comes first for `QUERY_A`.
"""

from __future__ import annotations

import json
import os

import cv2
import numpy as np

from data_prep import atomic_file, example, manifest, shards
from delg import evaluation, features_io, index, retrieval
from delg.config import SearchConfig
from delg.features_io import FeatureShard

QUERY_A = "a <script>alert('x')</script> & \"q\""
QUERY_IDS = [QUERY_A, "b", "lost"]
INDEX_IDS = ["near", "far", "other", "trap", "junk", "plain"]
NUM_POINTS = 40
HEIGHT, WIDTH = 120, 160
BOX = [20.0, 10.0, 150.0, 110.0]
FINGERPRINT = "f" * 64
GROUND_TRUTH = {"imlist": INDEX_IDS, "qimlist": QUERY_IDS, "gnd": [
    {"bbx": BOX, "easy": [0], "hard": [1], "junk": [4]}, {"bbx": BOX, "easy": [2], "hard": [], "junk": []},
    {"bbx": BOX, "easy": [], "hard": [], "junk": [5]}]}
_GLOBAL = {QUERY_A: [1, 0, 0], "b": [0, 1, 0], "lost": [0, 0, 1],  # cosines below are the first coordinate
           "trap": [.9, .1, 0], "junk": [.8, .2, .1], "near": [.7, .3, .2], "far": [.5, .5, .3],
           "other": [.1, .9, .4], "plain": [.0, .2, .9]}


def jpeg(image: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", image[..., ::-1])[1].tobytes()


def write_images(folder: str, **splits: list) -> None:
    """Shards of (id, encoded, box or None) triples, one a split, with their dataset.json."""
    described = {}
    for split, images in splits.items():
        shard = shards.write_shard(
            os.path.join(folder, shards.shard_name(split, 0, 1)),
            [example.encode_example(encoded, image_id, "JPEG", HEIGHT, WIDTH, query_bbox=box)
             for image_id, encoded, box in images])
        described[split] = manifest.Split(len(images), 0, None, (shard,))
    manifest.save_manifest(manifest.Manifest("", "tiny", 0, 0, (), described), folder)


def make_search(folder: str, verifier: str = "usac", num_rerank: int = 4) -> None:
    """Writes images, features, ranking.h5, metrics.json and gnd.json into a folder."""
    generator = np.random.default_rng(7)
    landmarks = {name: generator.normal(size=(NUM_POINTS, 64)) for name in ("A", "B")}
    points = generator.uniform((15, 30), (100, 140), (NUM_POINTS, 2))  # y, x on the queries
    shown = {QUERY_A: ("A", 1.0, 0), "near": ("A", 0.9, 8), "far": ("A", 0.5, 20), "b": ("B", 1.0, 0),
             "other": ("B", 0.8, 5)}  # landmark, scale, shift in pixels
    texture = cv2.resize(generator.integers(0, 256, (12, 16, 3), dtype=np.uint8), (WIDTH, HEIGHT))
    for split, ids in (("query", QUERY_IDS), ("index", INDEX_IDS)):
        keypoints, descriptors = [], []
        for image_id in ids:
            name, scale, shift = shown.get(image_id, (None, 1.0, 0))
            placed = points * scale + shift if name else generator.uniform(0, 100, (NUM_POINTS, 2))
            looks = landmarks[name] if name else generator.normal(size=(NUM_POINTS, 64))
            keypoints.append(placed)
            descriptors.append(looks / np.linalg.norm(looks, axis=1, keepdims=True))
        looks = np.array([_GLOBAL[image_id] for image_id in ids], np.float32)
        features_io.write_feature_shard(os.path.join(folder, f"{split}-00000-of-00001.h5"), FeatureShard(
            ids, looks / np.linalg.norm(looks, axis=1, keepdims=True), np.array([[HEIGHT, WIDTH]] * len(ids)),
            np.arange(len(ids) + 1) * NUM_POINTS, np.concatenate(keypoints).astype(np.float32),
            np.concatenate(descriptors).astype(np.float32),
            np.tile(np.linspace(1, .1, NUM_POINTS, dtype=np.float32), len(ids)),
            np.ones(NUM_POINTS * len(ids), np.float32),
            {"fingerprint": FINGERPRINT, "max_image_size": 1024}))
    write_images(folder, query=[(image_id, jpeg(texture), BOX) for image_id in QUERY_IDS],
                 index=[(image_id, jpeg(texture), None) for image_id in INDEX_IDS])
    with open(os.path.join(folder, "gnd.json"), "w") as file:
        json.dump(GROUND_TRUTH, file)
    with features_io.FeatureReader(os.path.join(folder, "index-*.h5")) as images:
        index.save_index(index.ExactIndex(images.global_descriptors, images.ids, FINGERPRINT),
                         os.path.join(folder, "index_dir"))
    ranking = os.path.join(folder, "ranking.h5")
    retrieval.search(os.path.join(folder, "query-*.h5"), os.path.join(folder, "index-*.h5"),
                     os.path.join(folder, "index_dir"), ranking,
                     SearchConfig(num_rerank=num_rerank, min_inliers=15, final_order="inliers",
                                  verifier=verifier))
    atomic_file.write_json(os.path.join(folder, "metrics.json"),
                           evaluation.evaluate(ranking, os.path.join(folder, "gnd.json")))
