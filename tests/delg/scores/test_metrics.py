"""delg.scores.metrics: hand-checked scores, and agreement with a slow implementation written apart."""

import unittest

import numpy as np

from delg.scores import metrics


def slow_average_precision(ranking, positives, junk):
    """Walks the list: the area under the precision-recall curve by trapezoids."""
    area, found, place, precision = 0.0, 0, 0, 1.0
    for image in ranking:
        if image in junk:
            continue
        before = precision
        if image in positives:
            before = found / place if place else 1.0
            found += 1
            area += (before + found / (place + 1)) / 2 / len(positives)
        place += 1
    return area


def slow_precision_at(ranking, positives, junk, k):
    kept = [image for image in ranking if image not in junk]
    if all(image in kept for image in positives):
        k = min(k, max(kept.index(image) for image in positives) + 1)
    return sum(image in positives for image in kept[:k]) / k


class AveragePrecisionTest(unittest.TestCase):
    def test_by_hand(self):  # ((1 + 1) + (1/3 + 2/4)) / (2 * 2)
        self.assertAlmostEqual(metrics.average_precision([0, 3], num_positives=2), 17 / 24)

    def test_published_vectors(self):
        for ranks, expected in (([0, 2], 0.791667), ([0, 1, 5], 0.816667), ([3], 0.125),
                                ([0, 7], 0.598214), ([1, 4, 9], 0.278704)):
            self.assertAlmostEqual(metrics.average_precision(ranks, len(ranks)), expected, places=6)

    def test_positive_never_met_adds_nothing(self):
        self.assertAlmostEqual(metrics.average_precision([0], num_positives=4), 0.25)
        self.assertEqual(metrics.average_precision([], num_positives=3), 0.0)

    def test_refuses_more_ranks_than_positives(self):
        with self.assertRaisesRegex(ValueError, "num_positives=1, 2 ranks"):
            metrics.average_precision([0, 1], num_positives=1)

    def test_refuses_no_positives(self):
        with self.assertRaisesRegex(ValueError, "num_positives=0"):
            metrics.average_precision([], num_positives=0)


class PrecisionAtTest(unittest.TestCase):
    def test_cut_at_the_last_positive(self):  # 2 of the first 8
        self.assertAlmostEqual(metrics.precision_at([0, 7], 2, k=10), 0.25)
        self.assertAlmostEqual(metrics.precision_at([0], 1, k=10), 1.0)

    def test_positive_never_met_lifts_the_cut(self):
        self.assertAlmostEqual(metrics.precision_at([0], 2, k=10), 0.1)

    def test_refuses_more_ranks_than_positives(self):
        with self.assertRaisesRegex(ValueError, "num_positives=1, 2 ranks"):
            metrics.precision_at([0, 1], 1, k=1)


class ScoreQueriesTest(unittest.TestCase):
    def test_thousand_random_rankings_agree_with_the_slow_way(self):
        generator = np.random.default_rng(7)
        size = 40
        for trial in range(1000):
            ranking = generator.permutation(size)[:generator.integers(10, size + 1)]
            parts = generator.choice([0, 1, 2, 3], size, p=[0.1, 0.1, 0.2, 0.6])
            easy, hard, junk = (np.flatnonzero(parts == part) for part in range(3))
            scores = metrics.score_queries(ranking[None], size, [easy], [hard], [junk])
            for protocol, positives, ignored in (("easy", {*easy}, {*junk, *hard}),
                                                 ("medium", {*easy, *hard}, {*junk}),
                                                 ("hard", {*hard}, {*junk, *easy})):
                if not positives:
                    self.assertTrue(np.isnan(scores[protocol].average_precision[0]))
                    continue
                self.assertAlmostEqual(scores[protocol].average_precision[0],
                                       slow_average_precision(ranking, positives, ignored), delta=1e-9,
                                       msg=f"trial {trial}, {protocol}")
                for k in metrics.CUTOFFS:
                    self.assertAlmostEqual(scores[protocol].precision[k][0],
                                           slow_precision_at(ranking, positives, ignored, k), delta=1e-9)

    def test_by_hand(self):
        # Ranking 4 0 3 1 2; easy {3}, hard {2}, junk {0}. Without junk: 4 3 1 2.
        scores = metrics.score_queries(np.array([[4, 0, 3, 1, 2]]), 5, [[3]], [[2]], [[0]])
        self.assertAlmostEqual(scores["medium"].average_precision[0], (0 + 1 / 2 + 1 / 3 + 2 / 4) / 4)
        self.assertAlmostEqual(scores["easy"].average_precision[0], (0 + 1 / 2) / 2)
        self.assertAlmostEqual(scores["hard"].average_precision[0], (0 + 1 / 3) / 2)
        self.assertAlmostEqual(scores["medium"].precision[10][0], 0.5)

    def test_query_without_positives_is_left_out_of_the_mean(self):
        scores = metrics.score_queries(np.array([[0, 1], [0, 1]]), 2, [[0], []], [[], []], [[], []])
        np.testing.assert_array_equal(scores["easy"].average_precision, [1.0, np.nan])
        self.assertEqual(metrics.mean_over_queries(scores["easy"].average_precision), 1.0)
        self.assertTrue(np.isnan(metrics.mean_over_queries(scores["hard"].average_precision)))

    def test_refuses_rows_outside_the_index(self):
        with self.assertRaisesRegex(ValueError, r"num_index=2\). Received: rows from 0 to 2"):
            metrics.score_queries(np.array([[0, 2]]), 2, [[0]], [[]], [[]])

    def test_refuses_other_numbers_of_queries(self):
        with self.assertRaisesRegex(ValueError, "one row per query. Received: 1, 2, 1 and 1"):
            metrics.score_queries(np.array([[0, 1]]), 2, [[0], [1]], [[]], [[]])

    def test_refuses_unknown_protocol(self):
        with self.assertRaisesRegex(ValueError, "protocol='medum'"):
            metrics.protocol_sets("medum", [], [], [])


class BootstrapTest(unittest.TestCase):
    def test_same_seed_same_interval_around_the_mean(self):
        values = np.array([0.2, 0.9, 0.4, np.nan, 0.7])
        low, high = metrics.bootstrap_interval(values, seed=3)
        self.assertEqual((low, high), metrics.bootstrap_interval(values, seed=3))
        self.assertTrue(0.2 <= low < 0.55 < high <= 0.9)

    def test_equal_scores_leave_no_doubt(self):
        low, high = metrics.bootstrap_interval(np.full(5, 0.25))
        self.assertAlmostEqual(low, 0.25)
        self.assertAlmostEqual(high, 0.25)

    def test_width_of_a_coin(self):  # the mean of 400 coins has a deviation of 0.025
        low, high = metrics.bootstrap_interval(np.arange(400) % 2, num_resamples=4000)
        self.assertAlmostEqual(high - low, 2 * 1.96 * 0.025, delta=0.01)

    def test_no_scores(self):
        self.assertTrue(np.all(np.isnan(metrics.bootstrap_interval(np.array([np.nan])))))


if __name__ == "__main__":
    unittest.main()
