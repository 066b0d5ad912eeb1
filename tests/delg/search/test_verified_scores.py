"""delg.search.verified_scores: orders by hand."""

import unittest

import numpy as np

from delg.search.verified_scores import verified_scores
from delg.settings.kinds import FINAL_ORDERS


class ScoresTest(unittest.TestCase):
    def test_below_the_floor_similarity_decides(self):
        scores = verified_scores([0.9, 0.5, 0.7, 0.6], [3, 20, 9, 20], min_inliers=10,
                                 final_order="inliers")
        np.testing.assert_array_equal(np.argsort(-scores), [3, 1, 0, 2])

    def test_one_more_inlier_outweighs_any_similarity(self):
        low, high = verified_scores([1.0, -1.0], [10, 11], min_inliers=10, final_order="inliers")
        self.assertLess(low, high)

    def test_weighted_sum_by_hand(self):
        scores = verified_scores([0.5, 0.4, 0.3], [9, 30, 10], min_inliers=10, inlier_weight=0.1)
        np.testing.assert_allclose(scores, [0.5, 0.4 + 0.1 * np.log(3), 0.3])

    def test_weight_of_zero_leaves_the_similarities(self):
        scores = verified_scores([0.5, 0.4], [9, 500], min_inliers=10, inlier_weight=0)
        np.testing.assert_array_equal(scores, [0.5, 0.4])

    def test_orders_in_words(self):
        self.assertEqual(FINAL_ORDERS["fused"].describe(15), "by similarity and inliers together")
        self.assertEqual(FINAL_ORDERS["inliers"].describe(1), "by inliers, then similarity")
        self.assertEqual(FINAL_ORDERS["inliers"].describe(15),
                         "by inliers, fewer than 15 counting as none, then similarity")


if __name__ == "__main__":
    unittest.main()
