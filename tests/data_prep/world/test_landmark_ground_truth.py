"""Tests of data_prep.world.landmark_ground_truth."""

import dataclasses
import unittest

import numpy as np

from data_prep.world.architecture.buildings import Building, make_panel
from data_prep.world.landmark_ground_truth import View, grade, landmark_box, visible_fraction
from data_prep.world.photography import camera as cameras
from data_prep.world.photography.canvas import Canvas

_QUERY = View(light="day", azimuth=10.0, visible_fraction=1.0, box=(0, 0, 9, 9), pixel_share=0.5,
              distance=30.0)


class GradeTest(unittest.TestCase):
    def check(self, expected, **changes):
        self.assertEqual(grade(_QUERY, dataclasses.replace(_QUERY, **changes)), expected)

    def test_a_similar_clear_view_is_easy(self):
        self.check("easy")
        self.check("easy", azimuth=45.0, visible_fraction=0.5, pixel_share=0.1, light="dusk")

    def test_each_condition_missed_makes_it_hard(self):
        self.check("hard", visible_fraction=0.49)
        self.check("hard", pixel_share=0.09)
        self.check("hard", azimuth=-46.0)
        self.check("hard", azimuth=-31.0)  # 41 degrees from the query's 10
        self.check("hard", light="night")

    def test_barely_visible_is_junk(self):
        self.check("junk", visible_fraction=0.19)
        self.check("junk", pixel_share=0.029)

    def test_two_night_views_are_easy(self):
        night = dataclasses.replace(_QUERY, light="night")
        self.assertEqual(grade(night, night), "easy")


def _square_building():
    """A front of 10 m x 10 m, x from -5 to 5."""
    canvas = Canvas(10, 10, 10)
    canvas.rectangle(0, 0, 10, 10, (99, 99, 99))
    front = make_panel("front", "front", (-5, 0, 0), (1, 0, 0), (0, 1, 0), canvas.texture())
    return Building((front,), 10.0, 10.0, 5.0)


class VisibleFractionTest(unittest.TestCase):
    def setUp(self):  # 100 pixels for 10 m at 10 m
        self.camera = cameras.look_at((0, 5, -10), (0, 5, 0), 100.0, 200, 200)
        self.all = np.ones((200, 200), bool)

    def test_all_of_it(self):
        self.assertEqual(visible_fraction(self.camera, _square_building(), self.all), 1.0)

    def test_frame_cuts_half(self):
        aside = cameras.look_at((10, 5, -10), (10, 5, 0), 100.0, 200, 200)  # sees x from 0 to 20
        self.assertAlmostEqual(visible_fraction(aside, _square_building(), self.all), 0.5, delta=0.03)

    def test_an_occluder_hides_a_quarter(self):
        owned = self.all.copy()
        owned[:, 125:] = False  # x above 2.5 m
        self.assertAlmostEqual(visible_fraction(self.camera, _square_building(), owned), 0.75, delta=0.03)

    def test_behind_the_camera_is_not_visible(self):
        away = cameras.look_at((0, 5, -10), (0, 5, -20), 100.0, 200, 200)
        self.assertEqual(visible_fraction(away, _square_building(), self.all), 0.0)


class LandmarkBoxTest(unittest.TestCase):
    def test_tight_box(self):
        owned = np.zeros((100, 200), bool)
        owned[10:60, 20:120] = True
        self.assertEqual(landmark_box(owned), (20, 10, 120, 60))

    def test_small_box_grows_inside_the_image(self):
        owned = np.zeros((100, 200), bool)
        owned[2:6, 196:200] = True  # 4 x 4 pixels in the top right corner
        self.assertEqual(landmark_box(owned), (168, 0, 200, 32))

    def test_an_image_smaller_than_the_box(self):
        owned = np.zeros((20, 60), bool)
        owned[5, 30] = True
        self.assertEqual(landmark_box(owned), (15, 0, 47, 20))

    def test_nothing_visible(self):
        self.assertIsNone(landmark_box(np.zeros((10, 10), bool)))


if __name__ == "__main__":
    unittest.main()
