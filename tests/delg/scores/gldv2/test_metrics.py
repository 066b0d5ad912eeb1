"""delg.scores.gldv2.metrics: scores worked out by hand."""

import unittest

import numpy as np

from delg.scores.gldv2 import metrics


class RecognitionTest(unittest.TestCase):
    solution = {"a": {1}, "b": {2, 3}, "c": set(), "d": {4}}

    def test_micro_average_precision_by_hand(self):
        # Surest first: a right, c shows none, b right, so (1/1 + 2/3) / 3 images with a landmark.
        predictions = {"a": (1, 0.9), "c": (1, 0.8), "b": (3, 0.7)}
        self.assertAlmostEqual(metrics.micro_average_precision(predictions, self.solution), 5 / 9)

    def test_images_without_landmark_may_be_ignored(self):
        predictions = {"a": (1, 0.9), "c": (1, 0.8), "b": (3, 0.7)}
        self.assertAlmostEqual(metrics.micro_average_precision(
            predictions, self.solution, ignore_without_landmark=True), 2 / 3)

    def test_equal_scores_are_taken_by_image(self):  # a, wrong, comes before b: 1/2 / 3
        predictions = {"b": (2, 0.5), "a": (9, 0.5)}
        self.assertAlmostEqual(metrics.micro_average_precision(predictions, self.solution), 1 / 6)

    def test_top_1_accuracy_counts_images_with_a_landmark(self):
        predictions = {"a": (1, 0.1), "b": (1, 0.9), "c": (1, 0.9)}
        self.assertAlmostEqual(metrics.top_1_accuracy(predictions, self.solution), 1 / 3)

    def test_no_landmark_anywhere(self):
        self.assertTrue(np.isnan(metrics.micro_average_precision({}, {"c": set()})))
        self.assertTrue(np.isnan(metrics.top_1_accuracy({}, {"c": set()})))

    def test_refuses_unknown_image(self):
        with self.assertRaisesRegex(ValueError, "in the solution. Received: 'z'"):
            metrics.micro_average_precision({"z": (1, 0.5)}, self.solution)


class RetrievalTest(unittest.TestCase):
    def test_average_precision_by_hand(self):  # right at places 1 and 3 of 3 to find
        self.assertAlmostEqual(metrics.retrieval_average_precision(["x", "o", "y"], {"x", "y", "z"}),
                               (1 + 2 / 3) / 3)

    def test_repeated_image_takes_a_place_and_counts_once(self):
        self.assertAlmostEqual(metrics.retrieval_average_precision(["x", "x", "y"], {"x", "y"}),
                               (1 + 2 / 3) / 2)

    def test_divided_by_what_fits_in_k(self):
        self.assertAlmostEqual(metrics.retrieval_average_precision(["x", "y"], {"x", "y", "z"}, k=2), 1)

    def test_query_without_ranking_scores_zero(self):
        solution = {"a": {"x"}, "b": {"y"}}
        self.assertAlmostEqual(metrics.mean_average_precision({"a": ["x"]}, solution), 0.5)

    def test_short_list_is_filled_with_wrong_results(self):
        solution = {"a": {"x"}, "b": {"y"}}
        precisions = metrics.mean_precisions({"a": ["x"], "b": ["x", "y"]}, solution, cutoffs=(1, 5))
        self.assertEqual(precisions, {1: 0.5, 5: 0.2})

    def test_first_correct_places(self):
        solution = {"a": {"x"}, "b": {"y"}, "c": {"z"}}
        places = metrics.first_correct_places({"a": ["x"], "b": ["x", "y"]}, solution)
        np.testing.assert_array_equal(places, [1, 2, 101])

    def test_refuses_unknown_query(self):
        with self.assertRaisesRegex(ValueError, "Received: 'q'"):
            metrics.mean_average_precision({"q": []}, {"a": {"x"}})


if __name__ == "__main__":
    unittest.main()
