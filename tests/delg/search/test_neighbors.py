"""delg.search.neighbors: overlaps of neighbours by hand and by a slow loop."""

import math
import unittest

import numpy as np

from delg.search import neighbors


def slow_overlap(scores, among, result):
    """The same of one result, with sets of weights."""
    def weights(similarities):
        nearest = sorted(similarities, key=similarities.get, reverse=True)[:4]
        return {image: math.exp(20 * (similarities[image] - similarities[nearest[0]])) for image in nearest}

    of_query = weights(dict(enumerate(scores)))
    of_result = {**weights({image: value for image, value in enumerate(among[result]) if image != result}),
                 result: 1.0}
    images = {*of_query, *of_result}
    pairs = [(of_query.get(image, 0), of_result.get(image, 0)) for image in images]
    return sum(map(min, pairs)) / sum(map(max, pairs))


class OverlapsTest(unittest.TestCase):
    def test_by_hand(self):
        # Two results: query's weights 1 and 1/e, those of either result 1 for itself and for the other.
        found = neighbors.overlaps(np.array([0.9, 0.85]), np.array([[7, 0.3], [0.3, 7]]))
        np.testing.assert_allclose(found, [(1 + math.exp(-1)) / 2] * 2, rtol=1e-6)
        self.assertEqual(neighbors.overlaps(np.array([0.9]), np.ones((1, 1))).tolist(), [0])

    def test_as_a_slow_loop_finds(self):
        generator = np.random.default_rng(0)
        scores = np.sort(generator.uniform(size=9))[::-1]
        among = generator.uniform(size=(9, 9))
        np.testing.assert_allclose(neighbors.overlaps(scores, among),
                                   [slow_overlap(scores, among, result) for result in range(9)], rtol=1e-6)

    def test_of_the_first_results_of_every_query(self):
        generator = np.random.default_rng(1)
        among = generator.uniform(size=(70, 70))
        scores = -np.sort(-generator.uniform(size=(2, 60)), axis=1)
        rows = np.stack([generator.permutation(70)[:60] for _ in range(2)])
        found = neighbors.first_overlaps(scores, rows, lambda some: among[np.ix_(some, some)])
        self.assertFalse(found[:, 50:].any())
        for query, first in enumerate(rows[:, :50]):
            np.testing.assert_allclose(
                found[query, :50], neighbors.overlaps(scores[query, :50], among[np.ix_(first, first)]))


if __name__ == "__main__":
    unittest.main()
