import unittest

import numpy as np

from delg.search import verified_order

_QUERY = np.float32([1, 0, 0])
_VERIFIED = np.float32([[0, 1, 0], [0, 0, 1]])


class ExpandQueryTest(unittest.TestCase):
    def test_by_hand(self):  # log(20 / 10) of the first; the second is at the floor and does not count
        expanded = verified_order.expand_query(_QUERY, _VERIFIED, np.array([20, 10]), min_inliers=10)
        weight = np.log(2)
        np.testing.assert_allclose(expanded, np.array([1, weight, 0]) / np.hypot(1, weight), rtol=1e-6)

    def test_no_result_weighs_more_than_the_query(self):
        expanded = verified_order.expand_query(_QUERY, _VERIFIED, np.array([10_000, 0]), min_inliers=10)
        np.testing.assert_allclose(expanded, np.array([1, 1, 0]) / np.sqrt(2), rtol=1e-6)

    def test_query_stays_when_nothing_is_confirmed(self):
        expanded = verified_order.expand_query(_QUERY, _VERIFIED, np.array([3, 9]), min_inliers=10)
        np.testing.assert_array_equal(expanded, _QUERY)
