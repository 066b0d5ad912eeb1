"""Ids and landmarks come from shards without their images."""

import unittest

import numpy as np

from data_prep.records import record_labels
from tests.fixtures.datasets import DatasetTest


class ReadLandmarksTest(DatasetTest):
    def test_images_with_a_label_in_order_of_the_shards(self):
        self.write()
        ids, landmarks = record_labels.read_landmarks(self.path("*-of-*"))  # the other splits have no labels
        self.assertEqual(ids, ["t0", "t1", "t2", "t3", "t4", "t5"])
        self.assertEqual(landmarks, ["x", "y", "z", "x", "y", "z"])

    def test_label_without_a_name_is_refused(self):
        self.settings["labels"] = ("x", "y")
        self.write()
        with self.assertRaisesRegex(ValueError, "must be below 2, as .*another for image t2"):
            record_labels.read_landmarks(self.path("train-*"))

    def test_no_shards(self):
        with self.assertRaisesRegex(FileNotFoundError, "No shard"):
            record_labels.read_landmarks(self.path("train-*"))


class CountLabelsTest(DatasetTest):
    def test_images_of_each_class(self):
        self.write()
        np.testing.assert_array_equal(record_labels.count_labels(self.path("train-*")), [2, 2, 2])


if __name__ == "__main__":
    unittest.main()
