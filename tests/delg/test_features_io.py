import os
import tempfile
import unittest

import h5py
import numpy as np

from delg import features_io
from delg.features_io import FeatureReader, FeatureShard, LocalFeatures


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


class FeatureShardTest(ShardFolderTest):
    def test_reads_back_what_was_written(self):
        written = self.write("a.h5", ["x", "ü"], [2, 0])
        read = features_io.read_feature_shard(self.path("a.h5"))
        self.assertEqual(read.ids, ["x", "ü"])
        self.assertEqual(read.config, written.config)
        self.assertEqual(read.descriptors.dtype, np.float16)
        for name in ("global_descriptors", "image_sizes", "offsets", "keypoints_yx", "descriptors", "scores",
                     "scales"):
            np.testing.assert_array_equal(getattr(read, name), getattr(written, name), name)

    def test_an_interrupted_writer_leaves_nothing(self):
        with self.assertRaises(KeyboardInterrupt), features_io.FeatureShardWriter(
                self.path("a.h5"), {}, global_dim=3, local_dim=4):
            raise KeyboardInterrupt
        self.assertEqual(os.listdir(self.folder), [])

    def test_a_failed_replacement_keeps_the_old_shard(self):
        self.write("a.h5", ["old"], [1])
        with self.assertRaises(RuntimeError), features_io.FeatureShardWriter(
                self.path("a.h5"), {}, global_dim=3, local_dim=4):
            raise RuntimeError
        self.assertEqual(features_io.read_feature_shard(self.path("a.h5")).ids, ["old"])
        self.assertEqual(os.listdir(self.folder), ["a.h5"])

    def append(self, global_descriptor=(1.0, 0.0, 0.0), local_dim=4):
        local = LocalFeatures(np.zeros((2, 2)), np.ones((2, local_dim)), np.ones(2), np.ones(2))
        with features_io.FeatureShardWriter(self.path("a.h5"), {}, global_dim=3, local_dim=4) as writer:
            writer.append("x", np.array(global_descriptor), (8, 8), local)

    def test_writer_refuses_a_wrong_shape(self):
        with self.assertRaisesRegex(ValueError, r"`descriptors` of image x .*\(2, 4\).*\(2, 5\)"):
            self.append(local_dim=5)

    def test_writer_refuses_nan(self):
        with self.assertRaisesRegex(ValueError, "`global_descriptors` of image x must be finite"):
            self.append(global_descriptor=(np.nan, 0, 0))

    def test_refuses_a_missing_file(self):
        with self.assertRaisesRegex(FileNotFoundError, "No feature shard at .*none.h5"):
            features_io.read_feature_shard(self.path("none.h5"))

    def test_refuses_a_truncated_file(self):
        self.write("a.h5", ["x"], [100])
        with open(self.path("a.h5"), "r+b") as file:
            file.truncate(500)
        with self.assertRaisesRegex(ValueError, "a.h5 must be a feature shard .HDF5.. It cannot be opened"):
            features_io.read_feature_shard(self.path("a.h5"))

    def test_refuses_a_missing_dataset(self):
        self.write("a.h5", ["x"], [1])
        self.alter("a.h5", scales=None)
        with self.assertRaisesRegex(ValueError, "a.h5 must hold the dataset `scales`"):
            features_io.read_feature_shard(self.path("a.h5"))

    def test_refuses_a_foreign_format(self):
        self.write("a.h5", ["x"], [1])
        with h5py.File(self.path("a.h5"), "r+") as file:
            file.attrs["format"] = 7
        with self.assertRaisesRegex(ValueError, "`format` = 1. It has: format=7"):
            features_io.read_feature_shard(self.path("a.h5"))

    def test_refuses_contradicting_shapes(self):
        for datasets, message in (
                ({"global_descriptors": np.zeros((2, 3))},
                 r"`global_descriptors` in .* must have 2 axes and 1 rows, .* It has shape \(2, 3\)"),
                ({"descriptors": np.zeros((5, 4))}, "`descriptors` in .* 1 rows, for 1 ids and 1 scores"),
                ({"scores": np.zeros((1, 1))}, r"`scores` in .* 1 axes .* It has shape \(1, 1\)"),
                ({"image_sizes": np.zeros((1, 3))}, "`image_sizes` in .* must have 2 columns. It has 3"),
                ({"offsets": np.array([0, 2])}, "`offsets` in .* must rise from 0 to 1. They go from 0")):
            with self.subTest(message=message):
                self.write("a.h5", ["x"], [1])
                self.alter("a.h5", **datasets)
                with self.assertRaisesRegex(ValueError, message):
                    features_io.read_feature_shard(self.path("a.h5"))


class FeatureReaderTest(ShardFolderTest):
    def test_joins_shards_in_name_order(self):
        second = self.write("index-00001-of-00002.h5", ["c"], [3], seed=1)
        first = self.write("index-00000-of-00002.h5", ["a", "b"], [2, 0])
        with FeatureReader(self.folder) as reader:
            self.assertEqual(reader.ids, ["a", "b", "c"])
            self.assertEqual(len(reader), 3)
            self.assertEqual(reader.num_local_features.tolist(), [2, 0, 3])
            self.assertEqual(reader.config["fingerprint"], "a")
            np.testing.assert_array_equal(
                reader.global_descriptors,
                np.concatenate([first.global_descriptors, second.global_descriptors]))
            np.testing.assert_array_equal(reader.image_sizes, [[480, 640], [480, 641], [480, 640]])
            local = reader.local_features(2)
            np.testing.assert_array_equal(local.keypoints_yx, second.keypoints_yx)
            self.assertEqual(local.descriptors.dtype, np.float32)
            np.testing.assert_allclose(np.linalg.norm(local.descriptors, axis=1), 1, atol=1e-6)
            np.testing.assert_allclose(local.descriptors, second.descriptors, atol=1e-3)
            self.assertEqual(len(reader.local_features(1)), 0)
            self.assertEqual(reader.local_features(1).descriptors.shape, (0, 4))

    def test_refuses_a_row_out_of_range(self):
        self.write("a.h5", ["a"], [2])
        with FeatureReader(self.path("a.h5")) as reader, self.assertRaisesRegex(IndexError, "row=1"):
            reader.local_features(1)

    def test_refuses_no_match(self):
        with self.assertRaisesRegex(FileNotFoundError, r"No feature shards match .*\*.h5"):
            FeatureReader(self.path("*.h5"))

    def test_refuses_a_set_with_holes(self):
        self.write("index-00001-of-00002.h5", ["c"], [3])
        with self.assertRaisesRegex(FileNotFoundError, "1 of 2 feature shards are missing.*00000-of-00002"):
            FeatureReader(self.path("index-*"))

    def test_takes_a_part_of_a_whole_set(self):
        for number in range(2):
            self.write(f"index-0000{number}-of-00002.h5", [str(number)], [1])
        with FeatureReader(self.path("index-00001*")) as reader:
            self.assertEqual(reader.ids, ["1"])

    def test_refuses_shards_of_two_models(self):
        self.write("a.h5", ["a"], [1])
        self.write("b.h5", ["b"], [1], config={"fingerprint": "other", "max_image_size": 64})
        with self.assertRaisesRegex(ValueError, "b.h5 and .*a.h5 differ in: fingerprint"):
            FeatureReader(self.folder)

    def test_refuses_a_repeated_id(self):
        self.write("a.h5", ["a"], [1])
        self.write("b.h5", ["b", "a"], [1, 1])
        with self.assertRaisesRegex(ValueError, "unique. a occurs more than once"):
            FeatureReader(self.folder)


if __name__ == "__main__":
    unittest.main()
