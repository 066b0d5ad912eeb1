"""Shards that are no files of this machine: TensorFlow's file system in memory stands for gs:// and s3://."""

import os
import sys
import tempfile
import unittest
from unittest import mock

import numpy as np
import tensorflow as tf

from data_prep.records import pipeline, record_places, record_reading, shards
from data_prep.records.manifest import manifest_beside
from data_prep.stage import byte_ranges, storage
from tests.data_prep.records.test_pipeline import write_split


class RemoteShardsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder, cls.remote = folder.name, "ram://bucket/shards"
        write_split(folder.name, "train", [9, 4, 10])
        for directory, _, names in os.walk(folder.name):
            for name in names:
                with open(os.path.join(directory, name), "rb") as file:
                    storage.write(f"{cls.remote}{directory[len(folder.name):]}/{name}", file.read())

    def test_found_and_described(self):
        files, split = pipeline.open_shards(f"{self.remote}/train-*")
        self.assertEqual(files, [f"{self.remote}/train-{number:05d}-of-00003" for number in range(3)])
        self.assertEqual(split.num_examples, 23)
        self.assertEqual(pipeline.count_examples(f"{self.remote}/train-00001*"), 4)

    def test_batches_are_those_of_the_same_files_here(self):
        for settings in ({"training": True}, {"training": False}, {"training": True, "images_per_class": 2}):
            batches = [[(images.numpy(), labels.numpy()) for images, labels in pipeline.make_dataset(
                f"{folder}/train-*", 8, 4, 0, **settings).take(5)] for folder in (self.folder, self.remote)]
            for here, there in zip(*batches):
                np.testing.assert_array_equal(here[0], there[0])
                np.testing.assert_array_equal(here[1], there[1])
            self.assertEqual(len(batches[0]), len(batches[1]))

    def test_where_records_lie_is_kept_there(self):
        path = f"{self.remote}/train-00000-of-00003"
        shard = manifest_beside(path).splits["train"].shards[0]
        kept = record_places.details_path(path, shard, "lengths.npy")
        expected = record_places.spans_of(path, shard)
        tf.io.gfile.remove(kept)
        for _ in range(2):
            np.testing.assert_array_equal(record_places.spans_of(path, shard), expected)
        with storage.open_binary(kept) as file:
            self.assertEqual(len(np.load(file)), 9)

    def test_many_are_read_at_a_time(self):
        files, split = pipeline.open_shards(f"{self.remote}/train-*")
        reader = record_reading.RecordReader(files, split.shards)
        expected = [record.numpy() for record in tf.data.TFRecordDataset(files)]
        with mock.patch.object(record_reading, "read_parts", wraps=byte_ranges.read_parts) as reads:
            found = reader.read(np.array([22, 0, 1, 10, 2]))
        self.assertEqual(found.tolist(), [expected[number] for number in (22, 0, 1, 10, 2)])
        self.assertEqual(len(reads.call_args_list), 3)

    def test_what_is_not_there_is_said_with_its_path(self):
        with self.assertRaisesRegex(FileNotFoundError, "ram://bucket/other/train"):
            pipeline.open_shards("ram://bucket/other/train-*")
        storage.write("ram://lone/train-00000-of-00001", b"")
        with self.assertRaisesRegex(FileNotFoundError, "ram://lone/dataset.json does not exist"):
            pipeline.open_shards("ram://lone/train-*")
        for look in (storage.num_bytes, storage.open_binary):
            with self.assertRaisesRegex(FileNotFoundError, "ram://bucket/nothing does not exist"):
                look("ram://bucket/nothing")

    def test_a_scheme_that_nothing_here_knows(self):
        with self.assertRaisesRegex(ValueError, "must know the scheme of moon://bucket/train-.*tensorflow-io"):
            shards.find_shards("moon://bucket/train-*")

    def test_a_scheme_that_another_package_brings(self):
        known = iter([["", "gs"], ["", "gs", "moon"]])
        with mock.patch.object(tf.io.gfile, "get_registered_schemes", lambda: next(known)), \
                mock.patch.object(tf.io.gfile, "glob", return_value=["moon://b/train-00000-of-00001"]), \
                mock.patch.dict(sys.modules, {"tensorflow_io": unittest}):
            self.assertEqual(shards.find_shards("moon://b/*"), ["moon://b/train-00000-of-00001"])

    def test_other_errors_are_those_of_files(self):
        with self.assertRaisesRegex(OSError, "ram://b/c cannot be read or written: denied"), \
                storage.reaching("ram://b/c"):
            raise tf.errors.PermissionDeniedError(None, None, "denied")

    def test_google_storage_is_known(self):
        self.assertIn("gs", tf.io.gfile.get_registered_schemes())


if __name__ == "__main__":
    unittest.main()
