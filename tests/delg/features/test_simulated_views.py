"""delg.features.simulated_views: walls turned about their middle, by hand."""

import unittest

import numpy as np

from delg.features import simulated_views
from delg.features.preparing import prepare_image


def _at(turn, point):
    mapped = turn @ (*point, 1)
    return mapped[:2] / mapped[2]


class TurnTest(unittest.TestCase):
    def test_no_turn_leaves_all_as_it_was(self):
        turn, size = simulated_views.turn_of(60, 80, 0, 0)
        self.assertEqual(size, (60, 80))
        np.testing.assert_allclose(turn / turn[2, 2], np.eye(3), atol=1e-12)

    def test_what_comes_nearer_is_larger(self):
        # A wall 100 wide, 120 from the camera, turned by 90 - atan(4 / 3) degrees: its right end, 50 from the
        # middle, lies 40 to the right and 30 nearer, where it is 120 / 90 as large; the left end 30 farther.
        turn, (height, width) = simulated_views.turn_of(60, 100, np.degrees(np.arcsin(0.6)), 0)
        self.assertEqual(width, np.ceil(40 * 120 / 90 + 40 * 120 / 150))
        self.assertEqual(height, np.ceil(60 * 120 / 90))
        for x, expected in ((0, 60 * 120 / 150), (50, 60), (100, 60 * 120 / 90)):
            self.assertAlmostEqual((_at(turn, (x, 60)) - _at(turn, (x, 0)))[1], expected)

    def test_from_below_the_top_is_smaller(self):
        turn, _ = simulated_views.turn_of(60, 100, 0, -35)
        widths = [(_at(turn, (100, y)) - _at(turn, (0, y)))[0] for y in (0, 30, 60)]
        self.assertTrue(widths[0] < widths[1] < widths[2])
        self.assertAlmostEqual(widths[1], 100)


class ViewsTest(unittest.TestCase):
    def test_points_of_a_view_are_turned_back(self):
        image = np.full((60, 80, 3), 255, np.uint8)
        image[30:34, 20:24] = 0
        prepared = prepare_image(image, 0)
        views = simulated_views.views_of(prepared)
        self.assertEqual(len(views), len(simulated_views.ANGLES))
        for view in views:
            self.assertEqual((view.limit, view.image_size), (prepared.limit, prepared.image_size))
            dark = np.argwhere(view.image[..., 0] < 60)[:, ::-1]
            back, inside = simulated_views.turned_back(dark.mean(axis=0, keepdims=True), view)
            np.testing.assert_allclose(back, [[21.5, 31.5]], atol=1)
            self.assertTrue(inside.all())
            self.assertFalse(simulated_views.turned_back(np.array([[-30.0, -30.0]]), view)[1].any())


class IdsTest(unittest.TestCase):
    def test_a_view_names_its_image(self):
        for image_id in ("a", "me@home", "folder/a@1"):
            self.assertEqual(simulated_views.image_of(simulated_views.view_id(image_id, 12)), image_id)
        self.assertEqual(simulated_views.image_of("me@home"), "me@home")


if __name__ == "__main__":
    unittest.main()
