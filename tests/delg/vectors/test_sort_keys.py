"""Sorted keys give the order of a stable sort, and give back what made them."""

import unittest

import numpy as np

from delg.vectors.sort_keys import best_columns, from_sort_keys, sort_keys


class SortKeysTest(unittest.TestCase):
    def test_order_of_a_stable_sort(self):
        similarities = np.float32([0.5, -0.0, 1, 0.0, -1, 0.5, -0.25])
        rows, found = from_sort_keys(np.sort(sort_keys(similarities, np.arange(7))))
        self.assertEqual(rows.tolist(), [2, 0, 5, 1, 3, 6, 4])
        self.assertEqual(found.tolist(), [1, 0.5, 0.5, 0, 0, -0.25, -1])

    def test_several_queries(self):
        similarities = np.random.default_rng(0).normal(size=(3, 50)).round(1).astype(np.float32)
        rows, _ = from_sort_keys(np.sort(sort_keys(similarities, np.arange(50)), axis=1))
        np.testing.assert_array_equal(rows, np.argsort(-similarities, axis=1, kind="stable"))

    def test_best_columns_by_hand(self):  # -0.0 and 0.0 are equals
        scores = np.array([[0.0, -2, 3, -0.0], [np.inf, 1, 1, -np.inf]], np.float32)
        np.testing.assert_array_equal(best_columns(scores, 3), [[2, 0, 3], [0, 1, 2]])
        np.testing.assert_array_equal(best_columns(scores, 4), [[2, 0, 3, 1], [0, 1, 2, 3]])


if __name__ == "__main__":
    unittest.main()
