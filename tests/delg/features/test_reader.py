import os
import unittest
from unittest import mock

import numpy as np

from delg.features import reader
from delg.features.reader import FeatureReader
from tests.fixtures.shard_folder import ShardFolderTest


class FeatureReaderTest(ShardFolderTest):
    def setUp(self):
        super().setUp()
        self.num_open = len(os.listdir("/proc/self/fd"))

    def test_joins_shards_in_name_order(self):
        second = self.write("index-00001-of-00002.h5", ["c"], [3], seed=1)
        first = self.write("index-00000-of-00002.h5", ["a", "b"], [2, 0])
        with FeatureReader(self.folder) as images:
            self.assertEqual(images.ids, ["a", "b", "c"])
            self.assertEqual(len(images), 3)
            self.assertEqual(images.num_local_features.tolist(), [2, 0, 3])
            self.assertEqual(images.config["fingerprint"], "a")
            np.testing.assert_array_equal(
                images.global_descriptors,
                np.concatenate([first.global_descriptors, second.global_descriptors]))
            np.testing.assert_array_equal(images.image_sizes, [[480, 640], [480, 641], [480, 640]])
            local = images.local_features(2)
            np.testing.assert_array_equal(local.keypoints_yx, second.keypoints_yx)
            self.assertEqual(local.descriptors.dtype, np.float32)
            np.testing.assert_allclose(np.linalg.norm(local.descriptors, axis=1), 1, atol=1e-6)
            np.testing.assert_allclose(local.descriptors, second.descriptors, atol=1e-3)
            self.assertEqual(len(images.local_features(1)), 0)
            self.assertEqual(images.local_features(1).descriptors.shape, (0, 4))

    def test_few_shards_are_open_at_once_and_descriptors_are_read_when_asked_for(self):
        written = [self.write(f"{number}.h5", [str(number)], [2], seed=number) for number in range(5)]
        with mock.patch.object(reader, "_MOST_OPEN", 2), FeatureReader(self.folder) as images:
            self.assertEqual(images.global_dim, written[0].global_descriptors.shape[1])
            for _ in range(2):
                for row, shard in enumerate(written):
                    np.testing.assert_array_equal(images.local_features(row).keypoints_yx, shard.keypoints_yx)
                    np.testing.assert_array_equal(images.global_descriptor(row), shard.global_descriptors[0])
                    np.testing.assert_array_equal(images.image(row).global_descriptor,
                                                  shard.global_descriptors[0])
            self.assertEqual(len(os.listdir("/proc/self/fd")) - self.num_open, 2)
            self.assertNotIn("global_descriptors", vars(images))
            blocks = list(images.descriptor_blocks())
            self.assertEqual([first for first, _ in blocks], list(range(5)))
            np.testing.assert_array_equal(np.concatenate([block for _, block in blocks]),
                                          images.global_descriptors)
        self.assertEqual(len(os.listdir("/proc/self/fd")), self.num_open)

    def test_a_shard_that_is_replaced_is_read_as_it_was(self):
        before = self.write("a.h5", ["a"], [2])
        with FeatureReader(self.folder) as images:
            os.remove(self.path("a.h5"))
            self.write("a.h5", ["a"], [3], seed=1)
            np.testing.assert_array_equal(images.local_features(0).keypoints_yx, before.keypoints_yx)
            np.testing.assert_array_equal(images.global_descriptors, before.global_descriptors)

    def test_a_refused_set_leaves_no_file_open(self):
        self.write("a.h5", ["a"], [1])
        self.write("b.h5", ["a"], [1])
        with self.assertRaisesRegex(ValueError, "unique. a occurs more than once"):
            FeatureReader(self.folder)
        self.assertEqual(len(os.listdir("/proc/self/fd")), self.num_open)

    def test_blocks_are_of_parts_of_a_shard(self):
        self.write("a.h5", ["a", "b", "c"], [1, 0, 1])
        with mock.patch.object(reader, "_BLOCK_ROWS", 2), FeatureReader(self.folder) as images:
            self.assertEqual([(first, len(block)) for first, block in images.descriptor_blocks()],
                             [(0, 2), (2, 1)])

    def test_refuses_a_row_out_of_range(self):
        self.write("a.h5", ["a"], [2])
        with FeatureReader(self.path("a.h5")) as images, self.assertRaisesRegex(IndexError, "row=1"):
            images.local_features(1)

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
        with FeatureReader(self.path("index-00001*")) as images:
            self.assertEqual(images.ids, ["1"])

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
