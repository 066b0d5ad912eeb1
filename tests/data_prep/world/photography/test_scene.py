"""Tests of data_prep.world.photography.scene, city and architects."""

import unittest

import cv2
import numpy as np

from data_prep.world.architecture import architects
from data_prep.world.architecture.city import City
from data_prep.world.architecture.styles import ARCHETYPES, draw_style
from data_prep.world.photography import scene


class BuildTest(unittest.TestCase):
    def test_every_archetype_has_a_front_that_looks_at_the_viewer(self):
        for number, archetype in enumerate(ARCHETYPES):
            rng = np.random.default_rng(number)
            building = architects.build(draw_style(rng, archetype), rng, 160)
            fronts = [panel for panel in building.panels if panel.role == "front"]
            self.assertTrue(fronts, archetype)
            for panel in fronts:
                np.testing.assert_allclose(panel.normal, (0, 0, -1), atol=1e-9)
            names = [panel.name for panel in building.panels]
            self.assertEqual(len(names), len(set(names)), archetype)

    def test_siblings_share_a_style_and_differ(self):
        city = City(0, "train", 2, 160)
        first, second = (city.landmark(number).panels[0].texture for number in (0, 1))
        again = City(0, "train", 2, 160).landmark(0).panels[0].texture
        np.testing.assert_array_equal(first.colours[0], again.colours[0])
        self.assertFalse(first.colours[0].shape == second.colours[0].shape
                         and (first.colours[0] == second.colours[0]).all())

    def test_splits_share_no_landmark(self):
        first, second = (City(0, split, 1, 160).landmark(0).panels[0].texture for split in ("train", "eval"))
        self.assertNotEqual((first.width, first.height), (second.width, second.height))


class PhotographTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.city = City(4, "eval", 1, 640)

    def photograph(self, number, seed, **options):
        return scene.photograph_landmark(self.city, number, 256, np.random.default_rng(seed), **options)

    def test_says_what_is_in_it(self):
        photograph = self.photograph(0, 1, light_kind="dusk")
        self.assertEqual(photograph.image.dtype, np.uint8)
        self.assertEqual(max(photograph.image.shape), 256)
        view = photograph.view
        self.assertEqual(view.light, "dusk")
        self.assertLessEqual(abs(view.azimuth), 65)
        share = ((photograph.owner > 0) & (photograph.owner < 1000)).mean()
        self.assertAlmostEqual(view.pixel_share, share)
        x1, y1, x2, y2 = view.box
        height, width = photograph.image.shape[:2]
        self.assertTrue(0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height)

    def test_the_same_seed_gives_the_same_picture(self):
        first, second = self.photograph(0, 7), self.photograph(0, 7)
        np.testing.assert_array_equal(first.image, second.image)
        self.assertFalse(np.array_equal(first.image[:90, :90], self.photograph(0, 8).image[:90, :90]))

    def test_streets_show_no_landmark(self):
        photograph = scene.photograph_street(self.city, 96, np.random.default_rng(0))
        self.assertIsNone(photograph.view)
        self.assertFalse(((photograph.owner > 0) & (photograph.owner < 1000)).any())
        self.assertEqual(photograph.homographies, {})

    def test_local_matches_between_two_views_agree_with_the_true_homography(self):
        agreeing = 0
        for number, (left, right) in enumerate([(1, 2), (3, 5), (1, 4)]):
            agreeing += self._agreement(number, left, right)
        self.assertGreaterEqual(agreeing, 2)

    def _agreement(self, number, left, right) -> bool:
        """Whether SIFT and RANSAC between two clear day views find the homography that the world wrote."""
        views = [self.photograph(number, seed, light_kind="day", clear=True) for seed in (left, right)]
        sift = cv2.SIFT_create(1500, contrastThreshold=0.02)
        found = [sift.detectAndCompute(cv2.resize(view.image, None, fx=2, fy=2), None) for view in views]
        matches = cv2.BFMatcher(crossCheck=True).match(found[0][1], found[1][1])
        points = [np.array([found[side][0][row].pt for row in rows]) / 2 - 0.25 for side, rows in
                  enumerate(zip(*((match.queryIdx, match.trainIdx) for match in matches)))]
        name = max(views[0].homographies.keys() & views[1].homographies.keys(),
                   key=lambda key: key.endswith("front") * self._area(number, key))
        true = views[1].homographies[name] @ np.linalg.inv(views[0].homographies[name])
        mapped = cv2.perspectiveTransform(points[0][:, None], true)[:, 0]
        near_truth = np.linalg.norm(mapped - points[1], axis=-1) < 2.5
        _, inliers = cv2.findHomography(points[0], points[1], cv2.RANSAC, 2.5, maxIters=5000)
        inliers = inliers[:, 0].astype(bool)
        return inliers.sum() >= 20 and near_truth[inliers].mean() > 0.8

    def _area(self, number, name):
        texture = next(panel.texture for panel in self.city.landmark(number).panels if panel.name == name)
        return texture.width * texture.height


if __name__ == "__main__":
    unittest.main()
