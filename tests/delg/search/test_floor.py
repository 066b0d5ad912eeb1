"""delg.search.floor: what chance brings, how sure that is, and the pairs it is read from."""

import unittest
from unittest import mock

import numpy as np

from delg.search import floor
from delg.search.verifying import Verified
from delg.settings.search import SearchConfig


class FloorTest(unittest.TestCase):
    def test_floor_is_twice_the_mean_of_the_largest_by_chance(self):
        by_chance = np.r_[np.zeros(900), np.full(90, 5), np.full(10, 9)]
        self.assertEqual(floor.floor_over(by_chance, np.zeros(9)), 14)  # 2 * (10 * 9 + 10 * 5) / 20
        self.assertEqual(floor.floor_over(np.full(7, 3), np.zeros(9)), 6)

    def test_pairs_far_down_that_look_alike_raise_it_and_those_that_match_do_not(self):
        for far_down, expected in ((4, 10), (7, 14), (9, 18), (10, 10), (300, 10)):  # chance brings 5
            with self.subTest(far_down):
                pairs = np.r_[np.zeros(80), np.full(20, far_down)]
                self.assertEqual(floor.floor_over(np.full(100, 5), pairs), expected)
        self.assertEqual(floor.floor_over(np.full(100, 5), np.r_[np.zeros(92), np.full(8, 9)]), 10)

    def found(self, as_they_are, out_of_place, num_index=40):
        """The floor where pairs have these inliers; and the lines that were logged."""
        def verify(title, rows, out_of_place=False):
            calls.append((title, out_of_place, sum(map(len, rows))))
            return [Verified(np.resize(counts[out_of_place], len(some)), *[None] * 3) for some in rows]

        counts, calls = (as_they_are, out_of_place), []
        ranks = np.tile(np.arange(num_index), (2, 1))
        with self.assertLogs("absl") as logs:
            config = floor.with_floor(SearchConfig(), verify, ranks, np.arange(num_index))
        self.calls = calls
        return config.min_inliers, " ".join(logs.output)

    def test_matching_pairs_in_the_sample_do_not_raise_the_floor(self):
        for as_they_are in ([0, 4], [300, 500]):
            found, said = self.found(as_they_are, [0, 5])
            self.assertEqual(found, 10)
            self.assertIn("Fewer than 10 inliers count as none, give or take 0.0", said)
            self.assertEqual("100 % of 40 pairs far down the rankings have 10 inliers" in said,
                             as_they_are == [300, 500])
        self.assertEqual(self.calls, [("Calibrating", True, 1000), ("Checking the floor", False, 40)])

    def test_alike_neighbours_raise_the_floor_without_a_warning(self):
        found, said = self.found([6, 8], [0, 5])
        self.assertEqual(found, 16)
        self.assertNotIn("show one scene", said)

    def test_one_image_is_enough_and_no_features_are_named(self):
        self.assertEqual(self.found([0], [4], num_index=1)[0], 8)
        self.assertEqual(self.calls[0], ("Calibrating", True, 200))  # a pair a hundred times at most
        found, said = self.found([0], [0])
        self.assertEqual(found, floor.DEFAULT_MIN_INLIERS)
        self.assertIn("Too few local features to calibrate", said)

    def test_a_floor_that_is_named_stays(self):
        config = SearchConfig(min_inliers=7)
        self.assertIs(floor.with_floor(config, None, None, None), config)

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
