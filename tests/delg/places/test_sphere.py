"""Distances and middles on the globe, at the poles and the date line too."""

import unittest

import numpy as np

from delg.places.sphere import EARTH_RADIUS_M, distances_m, geometric_median

DEGREE_M = np.pi * EARTH_RADIUS_M / 180


def haversine(one, other):
    """By the formula of books, one pair at a time."""
    latitudes = np.radians([one[0], other[0]])
    away = np.radians(np.subtract(other, one))
    share = np.sin(away[0] / 2) ** 2 + np.cos(latitudes).prod() * np.sin(away[1] / 2) ** 2
    return 2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(share))


class DistancesTest(unittest.TestCase):
    def test_by_hand(self):
        found = distances_m([(0, 0), (0, 179.5), (90, 0)], [(0, 1), (0, -179.5), (89, 77), (-90, 5)])
        np.testing.assert_allclose(found / DEGREE_M, [
            [1, 179.5, 90 - 90 + np.degrees(np.arccos(np.cos(np.radians(89)) * np.cos(np.radians(77)))), 90],
            [178.5, 1, np.degrees(np.arccos(np.cos(np.radians(89)) * np.cos(np.radians(102.5)))), 90],
            [90, 90, 1, 180]], rtol=1e-7)

    def test_as_by_the_formula_of_books(self):
        rng = np.random.default_rng(0)
        places = np.stack([rng.uniform(-90, 90, 30), rng.uniform(-180, 180, 30)], axis=1)
        expected = [[haversine(one, other) for other in places] for one in places]
        np.testing.assert_allclose(distances_m(places, places), expected, atol=0.5)

    def test_metres_between_near_places(self):
        self.assertAlmostEqual(float(distances_m([(48.2, 16.37)], [(48.200009, 16.37)])[0, 0]), 1.0, places=2)


class GeometricMedianTest(unittest.TestCase):
    def test_one_place_is_it_and_half_of_the_weight_holds_it(self):
        np.testing.assert_allclose(geometric_median([(-33.8, 151.2)], [0.3]), (-33.8, 151.2))
        places = [(10.0, 20.0), (10.001, 20.0), (10.0, 20.001)]
        np.testing.assert_allclose(geometric_median(places, [2.0, 1, 1]), places[0], atol=1e-9)

    def test_of_a_triangle_all_sides_are_seen_under_equal_angles(self):
        """Fermat's point, found from a corner where it does not stay."""
        places = np.array([(0.0, 0.0), (0.0, 0.004), (0.003, 0.001)])
        found = geometric_median(places, np.ones(3))
        directions = (places - found) / np.linalg.norm(places - found, axis=1)[:, None]
        np.testing.assert_allclose(directions @ directions.T, np.where(np.eye(3), 1, -0.5), atol=1e-4)

    def test_a_far_place_hardly_moves_it(self):
        near = [(48.2, 16.37), (48.2001, 16.37), (48.2, 16.3701)]
        found = geometric_median([*near, (48.21, 16.39)], np.ones(4))
        self.assertLess(float(distances_m(found, near[:1])[0, 0]), 20)

    def test_across_the_date_line_and_at_the_pole(self):
        found = geometric_median([(-17, 179.999), (-17, -179.999), (-17.001, 180)], np.ones(3))
        self.assertAlmostEqual(abs(found[1]), 180, places=4)
        found = geometric_median([(89.999, 0), (89.999, 120), (89.999, -120)], np.ones(3))
        self.assertAlmostEqual(found[0], 90, places=6)

    def test_is_the_least_sum_of_distances(self):
        rng = np.random.default_rng(1)
        for seed in range(5):
            places = rng.normal((60, -179.999), 0.002, (7, 2))
            weights = rng.uniform(0.5, 1, 7)
            found = geometric_median(places, weights)
            cost = weights @ distances_m(places, found)[:, 0]
            for around in found + rng.normal(0, 1e-4, (50, 2)):
                self.assertLess(cost, weights @ distances_m(places, around)[:, 0] + 1e-6, seed)


if __name__ == "__main__":
    unittest.main()
