"""Rewritten shards hold what an extraction with those settings would have written."""

import os
import unittest

import h5py
import numpy as np

from delg.features import local_codes
from delg.features import shards as feature_shards
from delg.features.reader import FeatureReader
from delg.features.rewriting import rewrite_features
from tests.fixtures import scripts
from tests.fixtures.feature_shards import read_feature_shard
from tests.fixtures.shard_folder import ShardFolderTest


class RewriteFeaturesTest(ShardFolderTest):
    def setUp(self):
        super().setUp()
        self.shard = self.write("index-00000-of-00001.h5", ["a", "b", "c"], [4, 0, 3])
        self.source = self.path("index-00000-of-00001.h5")

    def rewrite(self, folder, source=None, **settings):
        path, = rewrite_features(source or self.source, self.path(folder), **settings)
        return path

    def test_every_type_and_all_else_as_it_was(self):
        for local_dtype in ("float32", "float16", "int8", "binary"):
            path = self.rewrite(local_dtype, local_dtype=local_dtype)
            with h5py.File(path) as file:
                self.assertEqual(file["descriptors"].dtype, local_codes.stored_dtype(local_dtype))
            expected = local_codes.decode(local_codes.encode(self.shard.descriptors, local_dtype), 4)
            with FeatureReader(path) as reader:
                self.assertEqual(reader.config, {
                    **self.shard.config, "local_dtype": local_dtype,
                    **({"recoded_from": "float16"} if local_dtype == "float32" else {})})
                self.assertEqual(reader.ids, self.shard.ids)
                np.testing.assert_allclose(reader.local_features(0).descriptors, expected[:4], atol=4e-3)
                np.testing.assert_allclose(reader.local_features(2).descriptors, expected[4:], atol=4e-3)
            rewritten = read_feature_shard(path)
            for name in ("global_descriptors", "image_sizes", "offsets", "keypoints_yx", "scores", "scales"):
                np.testing.assert_array_equal(getattr(rewritten, name), getattr(self.shard, name), name)

    def test_without_settings_nothing_changes_but_the_format(self):
        with h5py.File(self.source, "r+") as file:  # as the first format had it
            file.attrs["format"] = 1
            file.attrs["notes"] = '{"left_out": []}'
            del file["descriptors"].attrs["dimension"]
        path = self.rewrite("same")
        rewritten = read_feature_shard(path)
        np.testing.assert_array_equal(rewritten.descriptors, self.shard.descriptors)
        self.assertEqual(feature_shards.read_shard_attributes(path)[1], {"left_out": []})
        with h5py.File(path) as file:
            self.assertEqual((file.attrs["format"], file["descriptors"].attrs["dimension"]), (2, 4))

    def test_a_finer_type_does_not_hide_what_was_lost(self):
        binary = self.rewrite("binary", local_dtype="binary")
        fine = self.rewrite("fine", binary, local_dtype="float16")
        config, _ = feature_shards.read_shard_attributes(fine)
        self.assertEqual((config["local_dtype"], config["recoded_from"]), ("float16", "binary"))
        descriptors = read_feature_shard(fine).descriptors
        np.testing.assert_array_equal(np.abs(descriptors), 0.5)  # d is 4
        again, _ = feature_shards.read_shard_attributes(self.rewrite("int8", fine, local_dtype="int8"))
        self.assertEqual(again["recoded_from"], "binary")
        back, _ = feature_shards.read_shard_attributes(self.rewrite("back", fine, local_dtype="binary"))
        self.assertNotIn("recoded_from", back)

    def test_a_finished_shard_is_kept_and_another_refused(self):
        path = self.rewrite("out", local_dtype="int8")
        os.utime(path, (1, 1))
        self.rewrite("out", local_dtype="int8")
        self.assertEqual(os.path.getmtime(path), 1)
        with self.assertRaisesRegex(ValueError, "out/index-.* must not hold features of other settings"):
            self.rewrite("out", local_dtype="binary")
        self.write("index-00000-of-00001.h5", ["a", "b", "d"], [4, 0, 3])
        with self.assertRaisesRegex(ValueError, "out/index-.* must not hold features of other .* or images"):
            self.rewrite("out", local_dtype="int8")

    def test_refuses_the_folder_of_the_features(self):
        with self.assertRaisesRegex(ValueError, "`output_dir` must be another folder .*which holds .*index-"):
            self.rewrite(".", local_dtype="int8")

    def test_refuses_features_whitened_already(self):
        self.write("w.h5", ["a"], [1], config={"whitening": {"source": "x"}})
        with self.assertRaisesRegex(ValueError, "w.h5, whitened by {'source': 'x'}"):
            self.rewrite("out", self.path("w.h5"), whitening="w.npz")

    def test_as_commands(self):
        for script, flags, printed in (
                ("fit_whitening", {"output": self.path("w.npz"), "dimension": 2},
                 f"{self.path('w.npz')}: from 3 to 2 dimensions, learnt on 3 images of {self.source}.\n"),
                ("rewrite_features", {"output_dir": self.path("out"), "whitening": self.path("w.npz"),
                                      "local_dtype": "binary"},
                 f"1 feature shards in {self.path('out')}.\n")):
            done = scripts.run(f"delg.{script}", features=self.source, **flags)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertTrue(done.stdout.startswith(f"{printed}next: python -m delg."), done.stdout)
        with FeatureReader(self.path("out")) as reader:
            self.assertEqual(reader.global_descriptors.shape, (3, 2))
            self.assertEqual(reader.config["whitening"]["source"], self.source)


if __name__ == "__main__":
    unittest.main()
