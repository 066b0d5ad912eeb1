"""delg.geometry.placing: known transforms with noise and outliers, few and degenerate inliers, cut frames."""

import unittest

import numpy as np

from delg.geometry import placing
from delg.geometry.transforms import project

_BOX = (100, 50, 500, 350)
_CORNERS = np.array([[100, 50], [500, 50], [500, 350], [100, 350.0]])
_SIMILARITY = np.array([[0.8, -0.3, 90], [0.3, 0.8, -20], [0, 0, 1]])
_AFFINE = np.array([[0.9, 0.3, 20], [-0.1, 0.5, 120], [0, 0, 1]])
_HOMOGRAPHY = np.array([[0.9, 0.1, 10], [-0.05, 1.1, 20], [8e-4, 2e-4, 1]])


def _inliers(transform, num, noise=2.0, num_outliers=0, seed=0):
    generator = np.random.default_rng(seed)
    query = generator.uniform((100, 50), (500, 350), (num, 2))
    index = project(transform, query) + generator.normal(0, noise, (num, 2))
    index[:num_outliers] += generator.uniform(-60, 60, (num_outliers, 2))
    return query, index


class SimplestTransformTest(unittest.TestCase):
    def _corner_errors(self, transform, *arguments, **settings):
        found = placing.simplest_transform(*_inliers(transform, *arguments, **settings), 20, _CORNERS)
        return found, np.linalg.norm(project(found, _CORNERS) - project(transform, _CORNERS), axis=1).max()

    def test_each_kind_is_found_and_none_more_general(self):
        for transform, is_affine, is_similar in (
                (_SIMILARITY, True, True), (_AFFINE, True, False), (_HOMOGRAPHY, False, False)):
            found, error = self._corner_errors(transform, 60)
            self.assertLess(error, 4)
            self.assertEqual(not found[2, :2].any(), is_affine)
            self.assertEqual(bool(np.isclose(found[0, 0], found[1, 1])), is_similar)

    def test_outliers_move_little(self):
        for transform in (_SIMILARITY, _AFFINE, _HOMOGRAPHY):
            self.assertLess(self._corner_errors(transform, 60, num_outliers=12)[1], 8)

    def test_few_inliers_far_off_the_truth_stay_a_similarity(self):
        for num in range(4, 11):
            for seed in range(5):
                self.assertLess(self._corner_errors(_SIMILARITY, num, noise=3, seed=seed)[1], 40)

    def test_inliers_on_a_line(self):
        query = np.stack([np.linspace(100, 500, 12), np.linspace(60, 300, 12)], axis=1)
        found = placing.simplest_transform(query, project(_SIMILARITY, query), 20, _CORNERS)
        np.testing.assert_allclose(project(found, _CORNERS), project(_SIMILARITY, _CORNERS), atol=1e-3)

    def test_nothing_to_go_by(self):
        for query, index in ((np.zeros((0, 2)), np.zeros((0, 2))), (np.eye(2) * 90, np.eye(2) * 90),
                             (np.full((9, 2), 7.0), np.full((9, 2), 8.0))):
            self.assertIsNone(placing.simplest_transform(query, index, 20, _CORNERS))

    def test_a_mirror_image_is_no_transform(self):
        query, _ = _inliers(_SIMILARITY, 40)
        found = placing.simplest_transform(query, query * (-1, 1), 20, _CORNERS)
        self.assertTrue(found is None or np.linalg.det(found[:2, :2]) > 0)


class PlaceBoxTest(unittest.TestCase):
    def test_cut_at_the_frame_by_hand(self):
        query = np.stack(np.meshgrid(np.arange(100, 500, 60), np.arange(50, 350, 60)), axis=-1).reshape(-1, 2)
        outline = placing.place_box(_BOX, query[:, ::-1], query[:, ::-1] + (30, -200), 20, (300, 250))
        self.assertEqual(len(outline), 4)
        np.testing.assert_allclose(placing.bounds(outline), (0, 80, 250, 300), atol=1e-6)
        self.assertTrue(np.all((outline >= 0) & (outline <= (250, 300))))  # not by a rounding error beyond

    def test_a_corner_cut_off(self):
        query, index = _inliers(np.array([[0.7, -0.7, 200], [0.7, 0.7, 0], [0, 0, 1]]), 30, noise=0)
        outline = placing.place_box(_BOX, query[:, ::-1], index[:, ::-1], 20, (600, 480))
        x1, y1, x2, y2 = placing.bounds(outline)
        self.assertGreater(len(outline), 4)
        self.assertTrue(0 <= x1 < x2 <= 480 and 0 <= y1 < y2 <= 600)

    def test_outside_of_the_frame(self):
        query, _ = _inliers(_SIMILARITY, 20)
        self.assertIsNone(placing.place_box(_BOX, query[:, ::-1], query[:, ::-1] + 2000, 20, (300, 300)))


if __name__ == "__main__":
    unittest.main()
