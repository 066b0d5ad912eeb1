import unittest

import numpy as np

from hashing.scores import metrics


def _sampled(distances, relevant, k=None, rounds=20000):
    """Mean average precision over random orders of ties, by sorting."""
    generator = np.random.default_rng(0)
    scores = []
    for _ in range(rounds):
        order = np.lexsort((generator.random(len(distances)), distances))[:k]
        hits = relevant[order]
        precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
        scores.append((precision * hits).sum() / min(relevant.sum(), k or len(distances)))
    return np.mean(scores)


class AveragePrecisionTest(unittest.TestCase):
    def test_without_ties_by_hand(self):  # relevant at places 1 and 3: (1/1 + 2/3) / 2
        counts = metrics.count_distances(np.array([[0, 1, 2]]), np.array([[True, False, True]]), 4)
        self.assertAlmostEqual(metrics.average_precisions(counts)[0], 5 / 6)

    def test_one_of_two_tied_by_hand(self):  # (1 + 1/2) / 2
        counts = metrics.count_distances(np.array([[3, 3]]), np.array([[True, False]]), 4)
        self.assertAlmostEqual(metrics.average_precisions(counts)[0], 0.75)

    def test_equals_the_mean_over_random_orders(self):
        distances = np.array([1, 1, 1, 2, 2, 2, 2, 2, 4, 4])
        relevant = np.array([1, 0, 1, 0, 1, 1, 0, 0, 1, 0], bool)
        counts = metrics.count_distances(distances[None], relevant[None], 8)
        for k in (None, 2, 5, 9):
            self.assertAlmostEqual(metrics.average_precisions(counts, k)[0],
                                   _sampled(distances, relevant, k), delta=0.005)

    def test_a_query_without_relevant_images_has_no_score(self):
        counts = metrics.count_distances(np.array([[0, 1]]), np.array([[False, False]]), 2)
        self.assertTrue(np.isnan(metrics.average_precisions(counts)[0]))

    def test_real_values_without_ties_equal_the_plain_formula(self):
        generator = np.random.default_rng(1)
        similarities, relevant = generator.random((4, 30)), generator.random((4, 30)) < 0.3
        found = metrics.average_precisions(metrics.count_ranks(similarities, relevant))
        expected = [_sampled(-row, wanted, rounds=1) for row, wanted in zip(similarities, relevant)]
        np.testing.assert_allclose(found, expected)

    def test_refuses_no_results(self):
        with self.assertRaisesRegex(ValueError, "`k` must be at least 1. Received: k=0."):
            metrics.average_precisions(metrics.DistanceCounts(np.ones((1, 2), int), np.ones((1, 2), int)), 0)


class PrecisionTest(unittest.TestCase):
    def setUp(self):  # query 0 finds 1 of 2 within 2 bits; query 1 finds nothing there
        self.counts = metrics.count_distances(np.array([[0, 2, 5], [4, 5, 6]]),
                                              np.array([[True, False, True], [True, False, False]]), 6)

    def test_within_a_radius_an_empty_ball_counts_as_failure(self):
        np.testing.assert_allclose(metrics.precisions_within(self.counts, 2), [0.5, 0])

    def test_precision_and_recall_by_hand(self):
        precision, recall = metrics.precision_recall(self.counts)
        np.testing.assert_allclose(recall, [0.25, 0.25, 0.25, 0.25, 0.75, 1, 1])
        np.testing.assert_allclose(precision, [1, 1, 0.5, 0.5, 0.75, (2 / 3 + 0.5) / 2, (2 / 3 + 1 / 3) / 2])


if __name__ == "__main__":
    unittest.main()
