"""delg.search.rerankers.neighbor_refinement: against a slow loop, and by hand."""

import unittest

import numpy as np

from delg.search.rerankers import neighbor_refinement
from tests.fixtures.planar_world import unit


def slow_scores(query, near, num_neighbors, beta):
    """The scores of one query's candidates, one at a time in float64."""
    near = near.astype(np.float64)
    refined = []
    for one, vector in enumerate(near):
        others = sorted((other for other in range(len(near)) if other != one),
                        key=lambda other: -(vector @ near[other]))[:num_neighbors]
        weights = [beta * max(vector @ near[other], 0) for other in others]
        total = vector + sum(weight * near[other] for weight, other in zip(weights, others))
        refined.append(total / (1 + sum(weights)))
    by_query = [vector @ query for vector in refined]
    first = sorted(range(len(near)), key=lambda one: -by_query[one])[:num_neighbors + 1]
    largest = np.max([refined[one] for one in first], axis=0)
    return [(score + vector @ largest) / 2 for score, vector in zip(by_query, refined)]


class RefineTest(unittest.TestCase):
    def test_agrees_with_a_slow_loop(self):
        generator = np.random.default_rng(0)
        descriptors, queries = (unit(generator.normal(size=(count, 6))) for count in (40, 3))
        candidates = np.argsort(-(queries @ descriptors.T), axis=1)[:, :15]
        scores = neighbor_refinement.refine(queries, descriptors, candidates, 4, 0.15)
        expected = [slow_scores(query, descriptors[rows], 4, 0.15)
                    for query, rows in zip(queries, candidates)]
        np.testing.assert_allclose(scores, expected, atol=1e-6)
        self.assertEqual(scores.dtype, np.float32)

    def test_by_hand(self):  # no neighbours: the image itself, and its own cosine with the nearest image
        query = np.array([[1, 0]], np.float32)
        descriptors = np.array([[0.8, 0.6], [0.6, 0.8]], np.float32)
        scores = neighbor_refinement.refine(query, descriptors, np.array([[1, 0]]), 0, 0.15)
        np.testing.assert_allclose(scores, [[(0.6 + 0.96) / 2, (0.8 + 1) / 2]], rtol=1e-6)

    def test_no_weight_leaves_the_descriptors(self):
        descriptors = unit(np.random.default_rng(1).normal(size=(6, 4)))
        scores = neighbor_refinement.refine(descriptors[:1], descriptors, np.arange(6)[None], 0, 0.0)
        np.testing.assert_allclose(scores[0], descriptors @ descriptors[0], atol=1e-6)

    def test_fewer_candidates_than_neighbours(self):
        scores = neighbor_refinement.refine(np.eye(3, dtype=np.float32)[:1], np.eye(3, dtype=np.float32),
                                            np.array([[0, 1]]), 9, 0.15)
        np.testing.assert_allclose(scores, [[1, 0.5]])  # (1 + 1) / 2 and (0 + 1) / 2


if __name__ == "__main__":
    unittest.main()
