import unittest

import numpy as np

from delg.fitting import heldout


class RetrievalMapTest(unittest.TestCase):
    def test_by_hand(self):
        # On a line of angles 0, 10, 15 degrees with classes a, b, a: the first finds its mate second:
        # (1/2 * (0 + 1/2)) = 1/4; the third likewise; b is alone and asks nothing.
        angles = np.deg2rad([0, 10, 15])
        descriptors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        self.assertAlmostEqual(heldout.retrieval_map(descriptors, [0, 1, 0]), 0.25)

    def test_perfect_ranking(self):
        self.assertEqual(heldout.retrieval_map(np.eye(2)[[0, 0, 1, 1]], [0, 0, 1, 1]), 1.0)

    def test_refuses_classes_of_one(self):
        with self.assertRaisesRegex(ValueError, "two of one class. Received: 2 images"):
            heldout.retrieval_map(np.eye(2), [0, 1])


class DescribeTest(unittest.TestCase):
    def test_stops_at_the_given_number(self):
        batches = [(np.full([2, 1], i), np.array([i, i])) for i in range(5)]
        descriptors, labels = heldout.describe(batches, lambda images: images * 10, max_images=3)
        np.testing.assert_array_equal(descriptors.ravel(), [0, 0, 10])
        np.testing.assert_array_equal(labels, [0, 0, 1])
