"""delg.scores.reliability: bins, calibration error and thresholds by hand."""

import unittest

import numpy as np

from delg.scores import reliability


class ReliabilityTest(unittest.TestCase):
    def test_curve_and_error_by_hand(self):
        curve = reliability.reliability([0.1, 0.3, 0.9, 1.0], [False, True, True, True], num_bins=2)
        np.testing.assert_array_equal(curve.counts, [2, 2])
        np.testing.assert_allclose(curve.said, [0.2, 0.95])
        np.testing.assert_allclose(curve.so, [0.5, 1])
        self.assertAlmostEqual(curve.expected_calibration_error, (0.3 * 2 + 0.05 * 2) / 4)

    def test_empty_bins_count_nothing(self):
        curve = reliability.reliability([0.25], [True], num_bins=4)
        self.assertTrue(np.isnan(curve.said[0]))
        self.assertAlmostEqual(curve.expected_calibration_error, 0.75)

    def test_threshold_of_precision(self):
        said, labels = [0.9, 0.8, 0.8, 0.7, 0.6], [True, True, False, True, False]
        self.assertEqual(reliability.threshold_of_precision(said, labels, 0.75), 0.7)  # 3 of 4
        self.assertEqual(reliability.threshold_of_precision(said, labels, 0.8), 0.9)
        self.assertEqual(reliability.threshold_of_precision(said, labels, 0.6), 0.6)
        self.assertEqual(reliability.threshold_of_precision([0.5], [False], 0.9), 1)


if __name__ == "__main__":
    unittest.main()
