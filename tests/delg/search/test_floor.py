"""delg.search.floor: the tail of chance inliers, and the pairs it is read from."""

import unittest
from unittest import mock

import numpy as np

from delg.search import floor
from delg.settings.search import SearchConfig


class FloorTest(unittest.TestCase):
    def test_floor_follows_an_exponential_tail(self):
        # A tenth of the counts for each step of 4: 90 % below 4, 99 % below 8, so 99.99 % below 16.
        counts = np.floor(np.random.default_rng(0).exponential(4 / np.log(10), 100_000))
        self.assertAlmostEqual(floor.calibrate_min_inliers(counts), 16, delta=1)
        self.assertAlmostEqual(floor.calibrate_min_inliers(counts, 0.999), 12, delta=1)

    def test_a_few_true_pairs_do_not_spoil_the_floor(self):
        counts = np.r_[np.arange(1000) % 10, np.full(15, 200)]
        self.assertLess(floor.calibrate_min_inliers(counts), 20)

    def test_refuses_too_few_pairs(self):
        with self.assertRaisesRegex(ValueError, "Received: 50 pairs"):
            floor.calibrate_min_inliers(np.zeros(50))
        with self.assertRaisesRegex(ValueError, "quantile=1"):
            floor.calibrate_min_inliers(np.zeros(500), 1)

    def test_pairs_to_calibrate_on_lie_far_down_and_are_few(self):
        ranks = np.array([[4, 2, 0, 1], [1, 0, 3, 5]])
        with mock.patch.object(floor, "CALIBRATION_PAIRS", 4):
            first, second = floor.pairs_far_down(ranks, 6, SearchConfig())
        self.assertEqual((len(first), len(second)), (2, 2))
        self.assertLessEqual(set(first), {1, 3, 5})
        self.assertLessEqual(set(second), {2, 4, 5})
        with mock.patch.object(floor, "CALIBRATION_PAIRS", 3):
            chosen = floor.pairs_far_down(np.tile(ranks, (4, 1)), 6, SearchConfig())
        self.assertEqual([len(rows) for rows in chosen], [1, 0, 0, 1, 0, 0, 0, 1])


if __name__ == "__main__":
    unittest.main()
