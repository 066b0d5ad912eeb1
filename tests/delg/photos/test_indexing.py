"""delg.photos.indexing: the index of local features follows its shards, or is built anew."""

import os
import tempfile
import unittest
from unittest import mock

import numpy as np

from delg.features.folder_features import DescribedFolder
from delg.features.reader import FeatureReader
from delg.index import building
from delg.photos.indexing import update_indexes
from tests.fixtures.feature_shards import FeatureShard, write_feature_shard

_NUM_FEATURES = 40


class IndexingTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.features_dir = os.path.join(self.folder, "features")
        os.mkdir(self.features_dir)
        self.indexed, self.num_learnt = [], 0

    def write(self, name, images, num_features=_NUM_FEATURES):
        """A shard of {id: number of its looks}."""
        looks = [np.random.default_rng(look).normal(size=(num_features, 32)) for look in images.values()]
        local = np.concatenate(looks).astype(np.float32) if num_features else np.zeros((0, 32), np.float32)
        local /= np.linalg.norm(local, axis=1, keepdims=True)
        write_feature_shard(os.path.join(self.features_dir, name), FeatureShard(
            list(images), np.tile(np.eye(4, dtype=np.float32)[0], (len(images), 1)),
            np.tile((99, 99), (len(images), 1)), np.arange(len(images) + 1) * num_features,
            np.zeros((len(local), 2), np.float32), local, np.ones(len(local), np.float32),
            np.ones(len(local), np.float32), {"fingerprint": "f" * 64}))

    def update(self):
        """Ids of the index of local features, each like itself; None: there is none."""
        paths = [os.path.join(self.features_dir, name) for name in sorted(os.listdir(self.features_dir))]
        shard_of = {}
        for path in paths:
            with FeatureReader(path) as images:
                shard_of.update(dict.fromkeys(images.ids, path))
        path_of = {image_id: f"{image_id}.jpg" for image_id in shard_of}
        folder = DescribedFolder(path_of, {}, {}, 0, paths, shard_of)
        local_index_dir = os.path.join(self.folder, "local")
        self.num_learnt = update_indexes(self.features_dir, folder, os.path.join(self.folder, "index"),
                                         local_index_dir, self.indexed, self.num_learnt)
        self.indexed = [os.path.basename(path) for path in paths]
        if not self.num_learnt:
            self.assertFalse(os.path.exists(local_index_dir))
            return None
        index = building.load_index(local_index_dir)
        with FeatureReader(self.features_dir) as images:
            local = [images.local_features(images.row_of[image_id]).descriptors for image_id in index.ids]
            self.assertEqual(sorted(index.ids), sorted(images.ids))
        np.testing.assert_allclose(np.diag(index.similarities(local, of_images=True)), 1, atol=1e-5)
        return sorted(index.ids)

    def test_what_comes_goes_and_changes_without_new_codewords(self):
        self.write("a.h5", {name: look for look, name in enumerate("abcdef")})
        self.assertEqual(self.update(), list("abcdef"))
        self.write("b.h5", {"g": 6, "h": 7, "i": 8})
        with mock.patch("delg.index.asmk.quantizer.train_codebook", side_effect=AssertionError):
            self.assertEqual(self.update(), list("abcdefghi"))
            os.remove(os.path.join(self.features_dir, "b.h5"))
            self.write("c.h5", {"g": 9, "h": 7})  # g looks otherwise, i is gone
            self.assertEqual(self.update(), list("abcdefgh"))
            os.remove(os.path.join(self.features_dir, "c.h5"))
            self.assertEqual(self.update(), list("abcdef"))
        self.assertEqual(self.num_learnt, 6)

    def test_codewords_are_learnt_anew_from_twice_as_many(self):
        self.write("a.h5", {"a": 0, "b": 1})
        self.update()
        self.write("b.h5", {"c": 2, "d": 3, "e": 4})
        self.assertEqual((self.update(), self.num_learnt), (list("abcde"), 5))

    def test_a_change_that_was_broken_off_is_made_again(self):
        self.write("a.h5", {name: look for look, name in enumerate("abcdef")})
        self.update()
        self.write("b.h5", {"g": 6})
        before = list(self.indexed)
        self.update()
        self.indexed = before  # as if it had not come to be noted
        self.assertEqual(self.update(), list("abcdefg"))

    def test_a_damaged_index_is_built_anew(self):
        self.write("a.h5", {"a": 0, "b": 1, "c": 2})
        self.update()
        path = os.path.join(self.folder, "local/index.json")
        with open(path, "ab") as file:
            file.write(b"x")
        self.write("b.h5", {"d": 3})
        self.assertEqual((self.update(), self.num_learnt), (list("abcd"), 4))

    def test_without_local_features_there_is_no_such_index(self):
        self.write("a.h5", {"a": 0, "b": 1})
        self.update()
        self.write("a.h5", {"a": 0, "b": 1}, num_features=0)
        self.num_learnt = 0
        self.assertIsNone(self.update())


if __name__ == "__main__":
    unittest.main()
