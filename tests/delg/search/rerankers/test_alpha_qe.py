"""delg.search.rerankers.alpha_qe: weights by hand, and the order it mends."""

import unittest

import numpy as np

from delg.search.rerankers import alpha_qe
from tests.fixtures.planar_world import unit


class ExpandQueriesTest(unittest.TestCase):
    def test_by_hand(self):  # cosines 0.6 and -0.6: q + 0.6^3 a, the other weighs nothing
        query = np.array([[1, 0]], np.float32)
        descriptors = np.array([[0, 1], [0.6, 0.8], [-0.6, 0.8]], np.float32)
        expanded = alpha_qe.expand_queries(query, descriptors, np.array([[1, 2]]), 3.0)
        moved = np.array([1 + 0.216 * 0.6, 0.216 * 0.8])
        np.testing.assert_allclose(expanded[0], moved / np.linalg.norm(moved), rtol=1e-6)
        self.assertEqual(expanded.dtype, np.float32)

    def test_alpha_of_zero_is_the_mean(self):
        query, descriptors = np.array([[1, 0]], np.float32), np.array([[0.6, 0.8], [0.8, 0.6]], np.float32)
        expanded = alpha_qe.expand_queries(query, descriptors, np.array([[0, 1]]), 0.0)
        np.testing.assert_allclose(expanded[0], unit(np.array([2.4, 1.4])), rtol=1e-6)

    def test_reaches_what_the_results_share(self):
        """The far view (60 degrees) shares nothing with the query, the stranger (45 degrees) nearly does."""
        def at(degrees, axis):
            vector = np.zeros(3, np.float32)
            vector[0], vector[axis] = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
            return vector
        query = at(0, 1)[None]
        descriptors = np.stack([at(45, 2), at(20, 1), at(25, 1), at(50, 1)])  # 0 is the stranger
        self.assertGreater((query @ descriptors[0])[0], (query @ descriptors[3])[0])
        expanded = alpha_qe.expand_queries(query, descriptors, np.array([[1, 2]]), 3.0)
        self.assertLess((expanded @ descriptors[0])[0], (expanded @ descriptors[3])[0])


if __name__ == "__main__":
    unittest.main()
