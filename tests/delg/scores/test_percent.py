"""delg.scores.percent: numbers for files, words for tables."""

import unittest

import numpy as np

from delg.scores.percent import mean_and_interval, percent, text


class PercentTest(unittest.TestCase):
    def test_numbers(self):
        self.assertEqual((percent(0.5), percent(1 / 3, 2), percent(float("nan"))), (50, 33.33, None))

    def test_mean_of_the_queries_that_count(self):
        self.assertEqual(mean_and_interval("mAP", np.array([0.25, np.nan, 0.25])),
                         {"mAP": 25, "mAP_interval": [25, 25]})
        self.assertEqual(mean_and_interval("R@1", np.array([np.nan])),
                         {"R@1": None, "R@1_interval": [None, None]})

    def test_words(self):
        self.assertEqual((text(12.346), text(12.346, 2), text(None)), ("12.3", "12.35", "–"))
        self.assertEqual((text(3.0, sign="+"), text(-3.0, sign="+")), ("+3.0", "-3.0"))


if __name__ == "__main__":
    unittest.main()
