"""Tests of data_prep.world.photography.camera."""

import unittest

import numpy as np

from data_prep.world.photography import camera as cameras


def _straight(focal=100.0):
    return cameras.look_at((0, 0, 0), (0, 0, 5), focal, width=201, height=101)


class ProjectTest(unittest.TestCase):
    def test_by_hand(self):  # 1 m right and 1 m up at 10 m: 10 pixels right of and above the middle (100, 50)
        pixels, depth = _straight().project(np.array([[1.0, 1.0, 10.0], [0.0, 0.0, 4.0]]))
        np.testing.assert_allclose(pixels, [[110, 40], [100, 50]])
        np.testing.assert_allclose(depth, [10, 4])

    def test_roll_turns_the_picture_about_its_middle(self):
        rolled = cameras.look_at((0, 0, 0), (0, 0, 5), 100.0, 201, 101, roll=np.pi / 2)
        pixels, _ = rolled.project(np.array([[1.0, 0.0, 10.0]]))
        np.testing.assert_allclose(pixels, [[100, 40]], atol=1e-9)

    def test_looking_up_lowers_the_horizon(self):
        up = cameras.look_at((0, 0, 0), (0, 5, 5), 100.0, 201, 101)
        pixels, _ = up.project(np.array([[0.0, 0.0, 7.0]]))
        np.testing.assert_allclose(pixels, [[100, 150]])  # 45 degrees below the axis: focal length below 50


class PlaneHomographyTest(unittest.TestCase):
    def test_agrees_with_projected_points(self):
        camera = cameras.look_at((9, 2, -20), (1, 6, 0), 240.0, 256, 192, roll=0.05)
        origin, right, up = np.array([-8.0, 0, 1]), np.array([1.0, 0, 0]), np.array([0, 1.0, 0])
        matrix = cameras.plane_homography(camera, origin, right, up)
        plane = np.array([[0.0, 0.0], [16.0, 0.0], [3.5, 11.0]])
        mapped = np.concatenate([plane, np.ones((3, 1))], -1) @ matrix.T
        pixels, depth = camera.project(origin + plane[:, :1] * right + plane[:, 1:] * up)
        np.testing.assert_allclose(mapped[:, :2] / mapped[:, 2:], pixels)
        np.testing.assert_allclose(mapped[:, 2], depth)


class ClipToFrontTest(unittest.TestCase):
    def test_keeps_what_lies_before_the_camera(self):
        corners = np.array([(-1, -1, -5), (1, -1, -5), (1, -1, 5), (-1, -1, 5)], np.float64)
        outline = cameras.clip_to_front(_straight(), corners)
        self.assertEqual(len(outline), 4)
        np.testing.assert_allclose(outline[:, 1].min(), 70)  # the far edge: 100 * 1 / 5 below 50
        np.testing.assert_allclose(outline[:, 1].max(), 50 + 100 / cameras.NEAR)

    def test_nothing_behind_is_seen(self):
        behind = np.array([(-1, 0, -5), (1, 0, -5), (1, 1, -5)], np.float64)
        self.assertEqual(cameras.clip_to_front(_straight(), behind).shape, (0, 2))


if __name__ == "__main__":
    unittest.main()
