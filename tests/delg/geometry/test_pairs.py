"""delg.geometry.pairs: two images of one plane, described and verified."""

import dataclasses
import unittest

import numpy as np

from delg.geometry import pairs
from delg.settings.search import SearchConfig
from tests.fixtures import planar_world


def magnified_pair(num_true=30, num_others=170, seed=0):
    """A query that shows part of the index image four times as large, the other features of elsewhere."""
    generator = np.random.default_rng(seed)
    total = num_true + num_others
    index_yx = generator.uniform(0, 250, (total, 2))
    query_yx = 4 * index_yx + generator.normal(0, 2, (total, 2))
    query_yx[num_true:] = generator.uniform(0, 1000, (num_others, 2))
    descriptors = planar_world.unit(generator.normal(size=(total, 32)))
    query = planar_world.local_features(query_yx, descriptors)
    index = planar_world.local_features(index_yx, descriptors)
    return dataclasses.replace(query, scales=np.full(total, 4, np.float32)), index


class VerifyPairTest(unittest.TestCase):
    def test_keypoint_scales_reach_the_verifier(self):
        query, index = magnified_pair()
        config = SearchConfig(verifier="scale", guided_neighbors=0)
        with_scales = pairs.verify_pair(query, index, config, (1024, 1024))
        self.assertGreaterEqual(np.count_nonzero(with_scales.query_rows < 30), 29)
        np.testing.assert_allclose(with_scales.transform[:2, :2], 4 * np.eye(2), atol=0.5)
        query = dataclasses.replace(query, scales=index.scales)
        without = pairs.verify_pair(query, index, config, (1024, 1024))
        self.assertLess(np.count_nonzero(without.query_rows < 30), 20)

    def test_inliers_are_one_to_one_and_right(self):
        query, index = magnified_pair(100, 100)
        for verifier in ("usac", "scale"):
            pair = pairs.verify_pair(query, index, SearchConfig(verifier=verifier), (1024, 1024))
            self.assertGreaterEqual(np.count_nonzero(pair.query_rows == pair.index_rows), 99, verifier)
            for rows in (pair.query_rows, pair.index_rows):
                self.assertEqual(len(np.unique(rows)), pair.num_inliers)

    def test_recipe_of_the_paper_runs_whatever_else_is_asked_for(self):
        query, index = magnified_pair(100, 100)
        asked = SearchConfig(verifier="paper", max_iterations=50, matcher="ratio", transform="homography")
        recipe = SearchConfig(verifier="paper", max_iterations=50, matcher="threshold", transform="affine",
                              guided_neighbors=0)
        pair, expected = (pairs.verify_pair(query, index, config, (1024, 1024)) for config in (asked, recipe))
        np.testing.assert_array_equal(pair.transform, expected.transform)
        np.testing.assert_array_equal(pair.matches.query_rows, expected.matches.query_rows)
        np.testing.assert_array_equal(pair.transform[2], [0, 0, 1])

    def test_refuses_to_verify_without_a_verifier(self):
        query, index = magnified_pair(5, 5)
        with self.assertRaisesRegex(ValueError, "`verifier` must be one of usac, scale, paper. Received: "
                                    "verifier='none'"):
            pairs.verify_pair(query, index, SearchConfig(verifier="none"), (1024, 1024))

    def test_images_without_features_for_scale(self):
        nothing = planar_world.local_features(np.zeros((0, 2)), np.zeros((0, 32)))
        some = planar_world.local_features(np.ones((9, 2)), planar_world.unit(np.ones((9, 32))))
        for one, other in ((nothing, some), (some, nothing), (nothing, nothing)):
            pair = pairs.verify_pair(one, other, SearchConfig(verifier="scale"), (100, 100))
            self.assertEqual(pair.num_inliers, 0)
            self.assertTrue(np.all(np.isnan(pair.transform)))


if __name__ == "__main__":
    unittest.main()
