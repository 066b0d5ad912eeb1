"""delg.geometry.verification: planted transforms are found, chance and degenerate ones are not."""

import unittest

import numpy as np

from delg.geometry import transforms, verification
from delg.settings.kinds import TRANSFORMS, VERIFIERS

HOMOGRAPHY = np.array([[0.9, 0.2, 30.0], [-0.1, 1.1, 20.0], [2e-4, 1e-4, 1.0]])
AFFINE = np.array([[0.9, 0.2, 30.0], [-0.1, 1.1, 20.0], [0.0, 0.0, 1.0]])


def planted(transform, num_true, num_false, seed=0, noise=1.0):
    """(query_yx, index_yx, is_true): the first half of the sorted matches holds most of the true ones."""
    generator = np.random.default_rng(seed)
    index_xy = generator.uniform(0, 1000, (num_true + num_false, 2))
    query_xy = transforms.project(transform, index_xy) + generator.normal(0, noise, index_xy.shape)
    query_xy[num_true:] = generator.uniform(0, 1000, (num_false, 2))
    is_true = np.arange(num_true + num_false) < num_true
    order = np.argsort(np.where(is_true, 0.0, 0.5) + generator.uniform(0, 1, is_true.size))
    return query_xy[order, ::-1], index_xy[order, ::-1], is_true[order]


class VerifyMatchesTest(unittest.TestCase):
    def test_finds_a_planted_homography_among_nine_wrong_matches_in_ten(self):
        query, index, is_true = planted(HOMOGRAPHY, 50, 450)
        transform, inliers = verification.verify_matches(query, index, threshold=10)
        self.assertGreaterEqual(np.count_nonzero(inliers & is_true), 48)
        self.assertLessEqual(np.count_nonzero(inliers & ~is_true), 5)
        corners = np.array([[0.0, 0], [1000, 0], [1000, 1000], [0, 1000]])
        off = transforms.project(transform, corners) - transforms.project(HOMOGRAPHY, corners)
        self.assertLess(np.abs(off).max(), 5)

    def test_finds_a_planted_affine_map(self):
        for verifier in VERIFIERS:
            query, index, is_true = planted(AFFINE, 60, 60)
            transform, inliers = verification.verify_matches(query, index, verifier, "affine", threshold=10)
            self.assertGreaterEqual(np.count_nonzero(inliers & is_true), 58, verifier)
            np.testing.assert_allclose(transform[:2, :2], AFFINE[:2, :2], atol=0.02)
            np.testing.assert_array_equal(transform[2], [0, 0, 1])

    def test_inliers_are_those_within_the_threshold(self):
        query, index, _ = planted(HOMOGRAPHY, 40, 40)
        transform, inliers = verification.verify_matches(query, index, threshold=10)
        errors = np.linalg.norm(transforms.project(transform, index[:, ::-1]) - query[:, ::-1], axis=1)
        np.testing.assert_array_equal(inliers, errors <= 10)

    def test_same_seed_same_result(self):
        query, index, _ = planted(HOMOGRAPHY, 30, 270)
        for verifier in VERIFIERS:
            first = verification.verify_matches(query, index, verifier, max_iterations=200, seed=5)
            again = verification.verify_matches(query, index, verifier, max_iterations=200, seed=5)
            np.testing.assert_array_equal(first[0], again[0])
            np.testing.assert_array_equal(first[1], again[1])

    def test_chance_gives_few_inliers(self):
        for seed in range(5):
            query, index, _ = planted(HOMOGRAPHY, 0, 300, seed)
            for verifier in ("usac", "scale"):
                _, inliers = verification.verify_matches(query, index, verifier, threshold=10)
                self.assertLessEqual(np.count_nonzero(inliers), 12, verifier)

    def test_too_few_matches_are_no_match(self):
        for verifier, transform, fewest in (("usac", "homography", 4), ("usac", "affine", 3),
                                            ("scale", "homography", 4), ("scale", "affine", 3),
                                            ("paper", "affine", 4)):
            query, index, _ = planted(AFFINE, fewest - 1, 0)
            found, inliers = verification.verify_matches(query, index, verifier, transform)
            self.assertTrue(np.all(np.isnan(found)))
            np.testing.assert_array_equal(inliers, np.zeros(fewest - 1, bool))

    def test_coinciding_points_are_no_match(self):
        query, index = np.tile([[10.0, 20.0]], (8, 1)), np.tile([[5.0, 5.0]], (8, 1))
        for verifier in VERIFIERS:
            for transform in TRANSFORMS:
                found, inliers = verification.verify_matches(query, index, verifier, transform)
                self.assertFalse(inliers.any(), (verifier, transform))
                self.assertTrue(np.all(np.isnan(found)))

    def test_a_mirror_image_is_no_match(self):
        mirror = np.array([[-1.0, 0, 1000], [0, 1, 0], [0, 0, 1]])
        query, index, _ = planted(mirror, 50, 0)
        for transform in TRANSFORMS:
            _, inliers = verification.verify_matches(query, index, transform=transform)
            self.assertFalse(inliers.any(), transform)
            _, inliers = verification.verify_matches(query, index, "scale", transform)
            self.assertLess(np.count_nonzero(inliers), 8, transform)  # single hypotheses never turn or mirror

    def test_refuses_unknown_verifier_and_transform(self):
        points = np.zeros((5, 2))
        with self.assertRaisesRegex(ValueError, "verifier='magic'"):
            verification.verify_matches(points, points, "magic")
        with self.assertRaisesRegex(ValueError, "transform='rigid'"):
            verification.verify_matches(points, points, transform="rigid")

    def test_refuses_scales_that_are_not_one_positive_number_per_match(self):
        points, ones = np.zeros((5, 2)), np.ones(5)
        with self.assertRaisesRegex(ValueError, r"`query_scales` must be .* 5 here. Received: shape \(4,\)"):
            verification.verify_matches(points, points, "scale", query_scales=ones[:4], index_scales=ones)
        with self.assertRaisesRegex(ValueError, r"`index_scales` must be .* least 0"):
            verification.verify_matches(points, points, "scale", query_scales=ones, index_scales=0 * ones)


if __name__ == "__main__":
    unittest.main()
