"""delg.nearest: the same rows as a stable sort of all similarities, whatever the blocks."""

import unittest
from unittest import mock

import numpy as np

from delg import nearest
from tests.delg.planar_world import unit


class NearestTest(unittest.TestCase):
    def test_agrees_with_a_stable_sort(self):
        generator = np.random.default_rng(0)
        descriptors, queries = (unit(generator.normal(size=(count, 8))) for count in (50, 7))
        products = queries @ descriptors.T
        expected = np.argsort(-products, axis=1, kind="stable")
        for num_neighbors in (1, 5, 50, 80):
            rows, similarities = nearest.nearest(queries, descriptors, num_neighbors)
            np.testing.assert_array_equal(rows, expected[:, :num_neighbors])
            np.testing.assert_array_equal(similarities, np.take_along_axis(products, rows.astype(int), 1))
            self.assertEqual((rows.dtype, similarities.dtype), (np.int32, np.float32))

    def test_lower_row_first_among_equals_in_any_block(self):
        descriptors = np.array([[1, 0], [0, 1], [1, 0], [-1, 0], [0, 1], [1, 0]], np.float32)
        for block in (1, 2, 4, 100):
            with mock.patch.object(nearest, "_BLOCK_ROWS", block), \
                    mock.patch.object(nearest, "_MAX_PRODUCTS", block):  # one query at a time
                rows, similarities = nearest.nearest(np.eye(2, dtype=np.float32), descriptors, 4)
            np.testing.assert_array_equal(rows, [[0, 2, 5, 1], [1, 4, 0, 2]])
            np.testing.assert_array_equal(similarities, [[1, 1, 1, 0], [1, 1, 0, 0]])

    def test_no_queries(self):
        rows, similarities = nearest.nearest(np.zeros((0, 2)), np.eye(2), 1)
        self.assertEqual((rows.shape, similarities.shape), ((0, 1), (0, 1)))

    def test_best_columns_by_hand(self):  # -0.0 and 0.0 are equals
        scores = np.array([[0.0, -2, 3, -0.0], [np.inf, 1, 1, -np.inf]], np.float32)
        np.testing.assert_array_equal(nearest.best_columns(scores, 3), [[2, 0, 3], [0, 1, 2]])


if __name__ == "__main__":
    unittest.main()
