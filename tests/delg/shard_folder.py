"""Shards of random features in a folder of their own, for tests of what is read from and written to files."""

import os
import tempfile
import unittest

import h5py
import numpy as np

from delg import features_io
from delg.features_io import FeatureShard


def make_shard(ids, num_local, seed=0, config=None):
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(num_local)])
    descriptors = rng.normal(size=(offsets[-1], 4))
    return FeatureShard(
        ids=list(ids), global_descriptors=rng.normal(size=(len(ids), 3)).astype(np.float32),
        image_sizes=np.array([[480, 640 + row] for row in range(len(ids))], np.int32), offsets=offsets,
        keypoints_yx=rng.uniform(0, 480, (offsets[-1], 2)).astype(np.float32),
        descriptors=(descriptors / np.linalg.norm(descriptors, axis=1, keepdims=True)).astype(np.float16),
        scores=np.arange(offsets[-1], 0, -1, dtype=np.float32),
        scales=np.ones(offsets[-1], np.float32), config=config or {"fingerprint": "a", "max_image_size": 64})


class ShardFolderTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, *args, **kwargs):
        shard = make_shard(*args, **kwargs)
        features_io.write_feature_shard(self.path(name), shard)
        return shard

    def alter(self, name, **datasets):
        """Replaces datasets of a written shard; None removes one."""
        with h5py.File(self.path(name), "r+") as file:
            for key, values in datasets.items():
                del file[key]
                if values is not None:
                    file[key] = values
