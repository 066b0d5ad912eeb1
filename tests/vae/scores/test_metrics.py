"""Tests of vae.scores.metrics: values by hand and by slow loops."""

import unittest

import numpy as np

from vae.scores import metrics


def _unit(*angles):
    radians = np.radians(angles)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def _random(seed, count, dim=5):
    values = np.random.default_rng(seed).normal(size=(count, dim))
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


class SearchTest(unittest.TestCase):
    def test_by_hand(self):
        # Query at 0 degrees; index of places 1, 0, 0 at 10, 20 and 90 degrees.
        scores = metrics.search(_unit(0), [0], _unit(10, 20, 90), [1, 0, 0])
        self.assertEqual(scores.ranks.tolist(), [[0, 1, 2]])
        self.assertEqual({k: values.tolist() for k, values in scores.recall.items()},
                         {1: [0.0], 5: [1.0], 10: [1.0]})
        self.assertAlmostEqual(scores.average_precision[0], ((0 + 1 / 2) + (1 / 2 + 2 / 3)) / 4)
        self.assertEqual(scores.triplet_accuracy.tolist(), [0.0])  # both positives are farther
        unit = 2 * np.sin(np.radians(5))  # the one distance between different places
        gaps = [2 * np.sin(np.radians(half)) / unit - 1 + metrics.MARGIN for half in (10, 45)]
        self.assertAlmostEqual(scores.triplet_loss[0], np.mean(gaps), places=4)

    def test_triplets_agree_with_a_loop(self):
        queries, index = _random(0, 6), _random(1, 9)
        query_places, index_places = np.arange(6) % 3, np.arange(9) % 3
        scores = metrics.search(queries, query_places, index, index_places)
        distances = np.linalg.norm(queries[:, None].astype(float) - index[None], axis=-1)
        unit = np.mean([distances[q, n] for q in range(6) for n in range(9)
                        if query_places[q] != index_places[n]])
        for query in range(6):
            right, losses = [], []
            for positive in range(9):
                for negative in range(9):
                    if index_places[positive] == query_places[query] != index_places[negative]:
                        gap = (distances[query, positive] - distances[query, negative]) / unit
                        right.append(gap < 0)
                        losses.append(max(0.0, gap + metrics.MARGIN))
            self.assertAlmostEqual(scores.triplet_accuracy[query], np.mean(right))
            self.assertAlmostEqual(scores.triplet_loss[query], np.mean(losses), places=4)

    def test_equal_similarities_keep_the_order_of_the_index_and_count_half(self):
        scores = metrics.search(_unit(0), [0], _unit(30, -30), [1, 0])
        self.assertEqual(scores.ranks.tolist(), [[0, 1]])
        self.assertEqual(scores.triplet_accuracy.tolist(), [0.5])

    def test_a_query_whose_place_the_index_lacks_is_not_scored(self):
        scores = metrics.search(_unit(0, 5), [7, 1], _unit(10, 20), [1, 2])
        self.assertTrue(np.isnan(scores.recall[1][0]) and np.isnan(scores.average_precision[0]))
        self.assertEqual(scores.recall[1][1], 1.0)

    def test_refuses_an_empty_index(self):
        with self.assertRaisesRegex(ValueError, "needs queries and an index. Received: 1 queries, 0 index"):
            metrics.search(_unit(0), [0], np.zeros((0, 2), np.float32), [])


class ClusteringTest(unittest.TestCase):
    def test_distance_ratio_by_hand(self):  # on a line: same place 1 and 1 apart, different ones 9 and 11
        first, second = np.array([[0.0], [10.0]]), np.array([[1.0], [11.0]])
        self.assertAlmostEqual(metrics.distance_ratio(first, [0, 1], second, [0, 1]), 1 / 10)

    def test_distance_ratio_needs_two_places(self):
        self.assertTrue(np.isnan(metrics.distance_ratio(np.eye(2), [0, 0], np.eye(2), [0, 0])))

    def test_silhouette_agrees_with_a_loop(self):
        points, places = _random(2, 9, 2), np.array([0, 0, 0, 1, 1, 1, 1, 2, 3])
        distances = np.linalg.norm(points[:, None].astype(float) - points[None], axis=-1)
        values = []
        for row, place in enumerate(places):
            others = [other for other in range(9) if other != row and places[other] == place]
            if not others:
                values.append(0.0)
                continue
            inside = np.mean([distances[row, other] for other in others])
            outside = min(np.mean(distances[row, places == name]) for name in set(places) - {place})
            values.append((outside - inside) / max(inside, outside))
        self.assertAlmostEqual(metrics.silhouette(points, places), np.mean(values))

    def test_silhouette_needs_two_places(self):
        self.assertTrue(np.isnan(metrics.silhouette(np.eye(3), [4, 4, 4])))


class DomainProbeTest(unittest.TestCase):
    def test_finds_a_domain_that_one_dimension_tells_and_not_one_that_none_tells(self):
        rng = np.random.default_rng(0)
        night = np.arange(400) % 2 == 0
        noise = rng.normal(size=(400, 4))
        told = noise + np.outer(night, [3, 0, 0, 0])
        self.assertGreater(metrics.domain_probe(told[:200], night[:200], told[200:], night[200:]), 0.9)
        untold = metrics.domain_probe(noise[:200], night[:200], noise[200:], night[200:])
        self.assertLess(abs(untold - 0.5), 0.1)

    def test_domains_weigh_the_same_whatever_their_sizes(self):
        rng = np.random.default_rng(1)
        night = np.arange(300) < 30  # always saying "day" would be right for 90 %
        noise = rng.normal(size=(300, 3))
        self.assertLess(abs(metrics.domain_probe(noise, night, rng.normal(size=(300, 3)), night) - 0.5), 0.15)

    def test_refuses_a_single_domain(self):
        with self.assertRaisesRegex(ValueError, "both domains. Received: 2 images to test, 0 by night"):
            metrics.domain_probe(np.eye(2), [True, False], np.eye(2), [False, False])


if __name__ == "__main__":
    unittest.main()
