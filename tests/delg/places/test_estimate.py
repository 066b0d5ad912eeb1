"""Where a query was taken, told by weighted places."""

import unittest

import numpy as np

from delg.places.estimate import CLUSTER_RADIUS_M, LEAST_RADIUS_M, LEAST_SHARE, estimate
from delg.places.sphere import distances_m

HERE, THERE = (48.2, 16.37), (48.3, 16.5)


class EstimateTest(unittest.TestCase):
    def test_nothing_tells_nothing(self):
        self.assertIsNone(estimate([], []))

    def test_one_image_tells_its_own_place(self):
        found = estimate([HERE], [0.95])
        np.testing.assert_allclose(found, (*HERE, LEAST_RADIUS_M))

    def test_the_heavier_place_is_it_where_it_has_its_share(self):
        places = [HERE, THERE, HERE, HERE]
        np.testing.assert_allclose(estimate(places, np.ones(4))[:2], HERE)
        just = LEAST_SHARE / (1 - LEAST_SHARE)
        np.testing.assert_allclose(estimate([HERE, THERE], [just + 0.01, 1])[:2], HERE)
        self.assertIsNone(estimate([HERE, THERE], [just - 0.01, 1]))

    def test_the_circle_holds_all_that_speak_for_it(self):
        near = (HERE[0] + 0.9 * CLUSTER_RADIUS_M / 111_195, HERE[1])
        found = estimate([HERE, HERE, HERE, near, THERE], np.ones(5))
        np.testing.assert_allclose(found[:2], HERE, atol=1e-8)
        self.assertAlmostEqual(found.radius_m, 0.9 * CLUSTER_RADIUS_M, delta=1)

    def test_across_the_date_line(self):
        places = [(-17.0, 179.999), (-17.0, -179.999)]
        found = estimate(places, [1, 1])
        self.assertLess(distances_m(found[:2], places).max(), 220)


if __name__ == "__main__":
    unittest.main()
