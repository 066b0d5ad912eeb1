"""Ids and landmarks come from shards without their images."""

import unittest

import numpy as np

from data_prep.records import pipeline, record_labels
from tests.fixtures.datasets import DatasetTest, encode


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


class SortedTest(DatasetTest):
    def share(self, shards_of_labels: list) -> tuple:
        numbers = iter(range(10_000))
        self.examples = {"train": [[encode(str(next(numbers)), int(label)) for label in labels]
                                   for labels in shards_of_labels]}
        self.write()
        files, split = pipeline.open_shards(self.path("train-*"))
        return record_labels.share_of_equal_neighbours(files, split.shards)

    def test_by_hand(self):
        found, shuffled = self.share([[0, 0, 1], [2, 1]])
        self.assertAlmostEqual(found, 1 / 3)
        self.assertAlmostEqual(shuffled, (2 + 2) / (5 * 4))  # two pairs of five labels

    def test_sorted_and_shuffled(self):
        labels = np.repeat(np.arange(3), 20)
        found, shuffled = self.share([labels, labels])
        self.assertGreater(found, 0.9)
        self.assertLess(shuffled, 0.5)
        found, shuffled = self.share([np.random.default_rng(0).permutation(labels)] * 2)
        self.assertLess(found, shuffled + 0.15)

    def test_nothing_to_compare(self):
        self.assertEqual(self.share([[0], []]), (0, 0))


if __name__ == "__main__":
    unittest.main()
