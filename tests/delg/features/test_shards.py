import os
import unittest

import h5py
import numpy as np

from delg.features import local_codes
from delg.features import reader as features_reader
from delg.features import shards as feature_shards
from delg.features.shards import LocalFeatures
from tests.fixtures.feature_shards import read_feature_shard
from tests.fixtures.shard_folder import ShardFolderTest


class FeatureShardTest(ShardFolderTest):
    def test_reads_back_what_was_written(self):
        written = self.write("a.h5", ["x", "ü"], [2, 0])
        read = read_feature_shard(self.path("a.h5"))
        self.assertEqual(read.ids, ["x", "ü"])
        self.assertEqual(read.config, written.config)
        self.assertEqual(read.descriptors.dtype, np.float16)
        for name in ("global_descriptors", "image_sizes", "offsets", "keypoints_yx", "descriptors", "scores",
                     "scales"):
            np.testing.assert_array_equal(getattr(read, name), getattr(written, name), name)

    def test_either_kind_of_descriptor_may_be_missing(self):
        for local_dtype in local_codes.LOCAL_DTYPES:
            with feature_shards.FeatureShardWriter(self.path("a.h5"), {}, 0, 0, local_dtype) as writer:
                writer.append("x", np.zeros(0), (8, 9), LocalFeatures(*(
                    np.zeros((0, *tail)) for tail in ((2,), (0,), (), ()))))
            with features_reader.FeatureReader(self.path("a.h5")) as reader:
                self.assertEqual((reader.global_descriptors.shape, reader.image_sizes.tolist()),
                                 ((1, 0), [[8, 9]]))
                self.assertEqual(reader.local_features(0).descriptors.shape, (0, 0))

    def test_an_interrupted_writer_leaves_nothing(self):
        with self.assertRaises(KeyboardInterrupt), feature_shards.FeatureShardWriter(
                self.path("a.h5"), {}, global_dim=3, local_dim=4):
            raise KeyboardInterrupt
        self.assertEqual(os.listdir(self.folder), [])

    def test_a_failed_replacement_keeps_the_old_shard(self):
        self.write("a.h5", ["old"], [1])
        with self.assertRaises(RuntimeError), feature_shards.FeatureShardWriter(
                self.path("a.h5"), {}, global_dim=3, local_dim=4):
            raise RuntimeError
        self.assertEqual(read_feature_shard(self.path("a.h5")).ids, ["old"])
        self.assertEqual(os.listdir(self.folder), ["a.h5"])

    def test_small_types_are_read_as_unit_vectors(self):
        for local_dtype, columns in (("int8", 10), ("binary", 2)):
            vectors = np.random.default_rng(0).normal(size=(3, 10))
            with feature_shards.FeatureShardWriter(self.path("a.h5"), {}, 3, 10, local_dtype) as writer:
                for rows in (slice(0, 2), slice(2, 3)):
                    writer.append(str(rows.start), np.array([1.0, 0.0, 0.0]), (8, 8), LocalFeatures(
                        np.zeros((3, 2))[rows], vectors[rows], np.ones(3)[rows], np.ones(3)[rows]))
            with h5py.File(self.path("a.h5")) as file:
                self.assertEqual(file["descriptors"].shape, (3, columns))
                self.assertEqual(file["descriptors"].attrs["dimension"], 10)
            expected = local_codes.decode(local_codes.encode(vectors, local_dtype), 10)
            read = read_feature_shard(self.path("a.h5"))
            np.testing.assert_array_equal(read.descriptors, expected)
            with features_reader.FeatureReader(self.path("a.h5")) as reader:
                np.testing.assert_array_equal(reader.local_features(0).descriptors, expected[:2])
                np.testing.assert_array_equal(reader.local_features(1).descriptors, expected[2:])

    def test_shards_of_the_first_format_are_read(self):
        written = self.write("a.h5", ["x"], [3])
        with h5py.File(self.path("a.h5"), "r+") as file:
            file.attrs["format"] = 1
            del file["descriptors"].attrs["dimension"]
        np.testing.assert_array_equal(read_feature_shard(self.path("a.h5")).descriptors,
                                      written.descriptors)
        with features_reader.FeatureReader(self.path("a.h5")) as reader:
            np.testing.assert_allclose(reader.local_features(0).descriptors, written.descriptors, atol=1e-3)

    def append(self, global_descriptor=(1.0, 0.0, 0.0), local_dim=4):
        local = LocalFeatures(np.zeros((2, 2)), np.ones((2, local_dim)), np.ones(2), np.ones(2))
        with feature_shards.FeatureShardWriter(self.path("a.h5"), {}, global_dim=3, local_dim=4) as writer:
            writer.append("x", np.array(global_descriptor), (8, 8), local)

    def test_writer_refuses_a_wrong_shape(self):
        with self.assertRaisesRegex(ValueError, r"`descriptors` of image x .*\(2, 4\).*\(2, 5\)"):
            self.append(local_dim=5)

    def test_writer_refuses_nan(self):
        with self.assertRaisesRegex(ValueError, "`global_descriptors` of image x must be finite"):
            self.append(global_descriptor=(np.nan, 0, 0))

    def test_refuses_a_missing_file(self):
        with self.assertRaisesRegex(FileNotFoundError, "none.h5 must be a feature shard .* no such file"):
            read_feature_shard(self.path("none.h5"))

    def test_refuses_a_truncated_file(self):
        self.write("a.h5", ["x"], [100])
        with open(self.path("a.h5"), "r+b") as file:
            file.truncate(500)
        with self.assertRaisesRegex(ValueError, "a.h5 must be a feature shard .HDF5.. It cannot be read"):
            read_feature_shard(self.path("a.h5"))

    def test_refuses_a_missing_dataset(self):
        self.write("a.h5", ["x"], [1])
        self.alter("a.h5", scales=None)
        with self.assertRaisesRegex(ValueError, "a.h5 must hold the dataset `scales`"):
            read_feature_shard(self.path("a.h5"))

    def test_refuses_a_foreign_format(self):
        self.write("a.h5", ["x"], [1])
        with h5py.File(self.path("a.h5"), "r+") as file:
            file.attrs["format"] = 7
        with self.assertRaisesRegex(ValueError, "`format` = 1 or 2. It has: format=7"):
            read_feature_shard(self.path("a.h5"))

    def test_refuses_contradicting_shapes(self):
        for datasets, message in (
                ({"global_descriptors": np.zeros((2, 3))},
                 r"`global_descriptors` in .* must have 2 axes and 1 rows, .* It has shape \(2, 3\)"),
                ({"descriptors": np.zeros((5, 4))}, "`descriptors` in .* 1 rows, for 1 ids and 1 scores"),
                ({"scores": np.zeros((1, 1))}, r"`scores` in .* 1 axes .* It has shape \(1, 1\)"),
                ({"image_sizes": np.zeros((1, 3))}, "`image_sizes` in .* must have 2 columns. It has 3"),
                ({"descriptors": np.zeros((1, 4), np.uint8)},
                 "`descriptors` in .* columns of 4 dimensions as uint8. It has 4"),
                ({"offsets": np.array([0, 2])}, "`offsets` in .* must rise from 0 to 1. They go from 0")):
            with self.subTest(message=message):
                self.write("a.h5", ["x"], [1])
                self.alter("a.h5", **datasets)
                with self.assertRaisesRegex(ValueError, message):
                    read_feature_shard(self.path("a.h5"))


if __name__ == "__main__":
    unittest.main()
