"""A tiny retrieval set with known geometry: flat scenes of random points, each seen through homographies."""

import numpy as np

from delg.features_io import FeatureShard, LocalFeatures, write_feature_shard

IMAGE_SIZE = (768, 1024)  # height, width
NUM_SCENES, VIEWS, NUM_POINTS, DIMENSION = 3, 2, 60, 32


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def scene(generator):
    return (generator.uniform(0, 700, (NUM_POINTS, 2)).astype(np.float32),
            unit(generator.normal(size=(NUM_POINTS, DIMENSION))))


def local_features(keypoints_yx, descriptors):
    ones = np.ones(len(keypoints_yx), np.float32)
    return LocalFeatures(np.asarray(keypoints_yx, np.float32), np.asarray(descriptors, np.float32), ones,
                         ones)


def view(points_xy, descriptors, generator, noise=0.05):
    """Keypoints (yx) and descriptors of a scene from another place, in another order."""
    homography = np.eye(3) + np.vstack([generator.uniform(-0.1, 0.1, (2, 3)),
                                        [*generator.uniform(-1e-4, 1e-4, 2), 0]])
    homography[:2, 2] = generator.uniform(-20, 20, 2)
    mapped = np.column_stack([points_xy, np.ones(len(points_xy))]) @ homography.T
    order = generator.permutation(len(points_xy))
    noisy = unit(descriptors + noise * generator.normal(size=descriptors.shape))
    return (mapped[:, :2] / mapped[:, 2:])[order, ::-1].astype(np.float32), noisy[order]


def write_world(folder, num_others=6, fingerprint="model-a", seed=0):
    """Writes `query-*.h5` (a view of each scene) and `index-*.h5`; returns the index rows of each query.

    The index holds `num_others` unrelated images, whose global descriptors lie nearest to every query, and
    then VIEWS views of each scene.
    """
    generator = np.random.default_rng(seed)
    scenes = [scene(generator) for _ in range(NUM_SCENES)]
    config = {"fingerprint": fingerprint, "max_image_size": 1024, "global_scales": [1.0]}
    queries = [view(*flat, generator) for flat in scenes]
    others = [scene(generator) for _ in range(num_others)]
    views = [view(*flat, generator) for flat in scenes for _ in range(VIEWS)]
    near, far = np.eye(8)[0], np.eye(8)[1]
    _write(folder / "query-00000-of-00001.h5", [f"q{i}" for i in range(NUM_SCENES)], queries,
           unit(np.tile(near, (NUM_SCENES, 1))), config)
    descriptors = unit(np.vstack([np.tile(near + 0.1 * far, (num_others, 1)),
                                  np.tile(near + far, (len(views), 1))]))
    _write(folder / "index-00000-of-00001.h5", [f"i{i}" for i in range(num_others + len(views))],
           others + views, descriptors, config)
    return [[num_others + VIEWS * query + i for i in range(VIEWS)] for query in range(NUM_SCENES)]


def _write(path, ids, features, global_descriptors, config):
    counts = [len(descriptors) for _, descriptors in features]
    write_feature_shard(str(path), FeatureShard(
        ids=ids, global_descriptors=global_descriptors, image_sizes=np.tile(IMAGE_SIZE, (len(ids), 1)),
        offsets=np.r_[0, np.cumsum(counts)].astype(np.int64),
        keypoints_yx=np.concatenate([keypoints for keypoints, _ in features]),
        descriptors=np.concatenate([descriptors for _, descriptors in features]),
        scores=np.ones(sum(counts), np.float32), scales=np.ones(sum(counts), np.float32), config=config))
