"""delg.geometry.transforms: points by hand, and what a camera can make."""

import unittest

import numpy as np

from delg.geometry import transforms

HOMOGRAPHY = np.array([[0.9, 0.2, 30.0], [-0.1, 1.1, 20.0], [2e-4, 1e-4, 1.0]])


class ProjectTest(unittest.TestCase):
    def test_by_hand(self):
        shift = np.array([[1.0, 0, 5], [0, 2, 0], [0, 0, 1]])
        np.testing.assert_allclose(transforms.project(shift, np.array([[1.0, 3.0]])), [[6, 6]])

    def test_behind_the_horizon_is_nowhere(self):
        horizon = np.array([[1.0, 0, 0], [0, 1, 0], [-0.01, 0, 1]])  # depth 1 - x / 100
        mapped = transforms.project(horizon, np.array([[50.0, 0], [100.0, 0], [150.0, 0]]))
        np.testing.assert_allclose(mapped[0], [100, 0])
        self.assertTrue(np.all(np.isinf(mapped[1:])))


class PlausibleTest(unittest.TestCase):
    points = np.array([[0.0, 0], [100, 0], [100, 100], [0, 100]])

    def test_a_camera_moves_turns_and_tilts(self):
        turned = np.array([[0.0, -2, 300], [2, 0, 10], [0, 0, 1]])
        for transform in (np.eye(3), turned, HOMOGRAPHY):
            self.assertTrue(transforms.is_plausible(transform, self.points))

    def test_no_camera_does_these(self):
        for transform in (np.diag([-1.0, 1, 1]), np.diag([11.0, 11, 1]), np.diag([0.05, 0.05, 1]),
                          np.diag([7.0, 1, 1]), np.array([[1.0, 0, 0], [0, 1, 0], [0.06, 0, 1]]),
                          np.full((3, 3), np.nan)):
            self.assertFalse(transforms.is_plausible(transform, self.points), transform)


if __name__ == "__main__":
    unittest.main()
