"""delg.search.rerankers.diffusion: graphs by hand, a dense solver as oracle, and two moons told apart."""

import unittest

import numpy as np

from delg.search.rerankers import diffusion
from tests.fixtures.planar_world import unit


def on_circle(*degrees):
    angles = np.deg2rad(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)


def two_moons(per_moon=40):
    """Two arcs on the unit sphere, each near the other's end: [2 * per_moon, 3], the moons in turn."""
    angles = np.linspace(0, np.pi, per_moon)
    flat = np.concatenate([np.stack([np.cos(angles), np.sin(angles)], 1),
                           np.stack([1 - np.cos(angles), 0.4 - np.sin(angles)], 1)])
    return unit(np.column_stack([flat, np.full(len(flat), 2.0)]))


class NeighborGraphTest(unittest.TestCase):
    def test_by_hand(self):  # 0-1 are mutual nearest, 2's nearest is 1 but not the other way round
        graph = diffusion.neighbor_graph(on_circle(0, 10, 30), 1, 3.0).toarray()
        np.testing.assert_allclose(graph, [[0, 1, 0], [1, 0, 0], [0, 0, 0]], atol=1e-6)

    def test_agrees_with_a_slow_loop(self):
        descriptors = unit(np.random.default_rng(0).normal(size=(15, 3)))
        cosines = descriptors @ descriptors.T
        near = [[other for other in np.argsort(-cosines[row], kind="stable") if other != row][:4]
                for row in range(15)]
        expected = np.zeros((15, 15))
        for one in range(15):
            for other in near[one]:
                if one in near[other]:
                    expected[one, other] = max(cosines[one, other], 0) ** 2
        roots = np.sqrt([max(total, 1e-30) for total in expected.sum(axis=1)])
        graph = diffusion.neighbor_graph(descriptors, 4, 2.0)
        np.testing.assert_allclose(graph.toarray(), expected / roots[:, None] / roots, atol=1e-5)
        self.assertEqual(graph.dtype, np.float32)
        self.assertLess(abs(graph - graph.T).max(), 1e-6)


class SolveTest(unittest.TestCase):
    def test_agrees_with_a_dense_solver(self):
        graph = diffusion.neighbor_graph(unit(np.random.default_rng(2).normal(size=(30, 5))), 6, 3.0)
        seeds = np.zeros((30, 3), np.float32)
        seeds[[0, 1, 2], [0, 1, 1]] = [1, 0.5, 0.2]  # the third query has none
        expected = np.linalg.solve(np.eye(30) - 0.9 * graph.toarray(), seeds.astype(np.float64))
        state = diffusion.solve(graph, seeds, 0.9, max_iterations=60)
        np.testing.assert_allclose(state, expected, atol=1e-4)
        self.assertTrue(np.all(state[:, 2] == 0))

    def test_no_walk_without_alpha(self):
        graph = diffusion.neighbor_graph(on_circle(0, 10, 30), 2, 3.0)
        seeds = np.array([[0.5], [0], [0]], np.float32)
        np.testing.assert_allclose(diffusion.solve(graph, seeds, 0.0), seeds, atol=1e-7)


class DiffuseTest(unittest.TestCase):
    def _scores(self, candidates, descriptors):
        return diffusion.diffuse(descriptors[:1], descriptors, candidates, 3, 5, 20.0, 0.99)

    def test_follows_the_moon_of_the_query(self):
        moons = two_moons()
        cosines = moons @ moons[0]
        candidates = np.argsort(-cosines, kind="stable")[None]
        self.assertLess(np.mean(candidates[0, :40] < 40), 0.8)  # by cosine, the other moon mixes in
        scores = self._scores(candidates, moons)
        order = candidates[0][np.argsort(-scores[0], kind="stable")]
        self.assertEqual(set(order[:40]), set(range(40)))
        self.assertEqual(scores.max(), 1)

    def test_truncated_graph_scores_its_candidates_only(self):
        moons = two_moons()
        candidates = np.argsort(-(moons @ moons[0]), kind="stable")[None]
        few = self._scores(candidates[:, :70], moons)
        self.assertEqual(few.shape, (1, 70))
        alone = diffusion.diffuse(moons[:1], moons[candidates[0, :70]], np.arange(70)[None], 3, 5, 20.0, 0.99)
        np.testing.assert_allclose(few, alone, atol=1e-5)

    def test_islands_are_never_reached(self):
        descriptors = on_circle(0, 2, 4, 80, 82, 84)
        scores = diffusion.diffuse(descriptors[:1], descriptors, np.arange(6)[None], 1, 2, 3.0, 0.9)
        self.assertTrue(np.all(scores[0, :3] > 0))
        np.testing.assert_array_equal(scores[0, 3:], 0)

    def test_query_unlike_everything_reaches_nothing(self):
        scores = diffusion.diffuse(-on_circle(0), on_circle(0, 2, 4), np.arange(3)[None], 2, 2, 3.0, 0.9)
        np.testing.assert_array_equal(scores, 0)


if __name__ == "__main__":
    unittest.main()
