"""delg.geometry.verification: planted transforms are found, chance and degenerate ones are not."""

import unittest

import numpy as np

from delg.geometry import verification

HOMOGRAPHY = np.array([[0.9, 0.2, 30.0], [-0.1, 1.1, 20.0], [2e-4, 1e-4, 1.0]])
AFFINE = np.array([[0.9, 0.2, 30.0], [-0.1, 1.1, 20.0], [0.0, 0.0, 1.0]])


def planted(transform, num_true, num_false, seed=0, noise=1.0):
    """(query_yx, index_yx, is_true): the first half of the sorted matches holds most of the true ones."""
    generator = np.random.default_rng(seed)
    index_xy = generator.uniform(0, 1000, (num_true + num_false, 2))
    query_xy = verification.project(transform, index_xy) + generator.normal(0, noise, index_xy.shape)
    query_xy[num_true:] = generator.uniform(0, 1000, (num_false, 2))
    is_true = np.arange(num_true + num_false) < num_true
    order = np.argsort(np.where(is_true, 0.0, 0.5) + generator.uniform(0, 1, is_true.size))
    return query_xy[order, ::-1], index_xy[order, ::-1], is_true[order]


class ProjectTest(unittest.TestCase):
    def test_by_hand(self):
        shift = np.array([[1.0, 0, 5], [0, 2, 0], [0, 0, 1]])
        np.testing.assert_allclose(verification.project(shift, np.array([[1.0, 3.0]])), [[6, 6]])

    def test_behind_the_horizon_is_nowhere(self):
        horizon = np.array([[1.0, 0, 0], [0, 1, 0], [-0.01, 0, 1]])  # depth 1 - x / 100
        mapped = verification.project(horizon, np.array([[50.0, 0], [100.0, 0], [150.0, 0]]))
        np.testing.assert_allclose(mapped[0], [100, 0])
        self.assertTrue(np.all(np.isinf(mapped[1:])))


class VerifyMatchesTest(unittest.TestCase):
    def test_finds_a_planted_homography_among_nine_wrong_matches_in_ten(self):
        query, index, is_true = planted(HOMOGRAPHY, 50, 450)
        transform, inliers = verification.verify_matches(query, index, threshold=10)
        self.assertGreaterEqual(np.count_nonzero(inliers & is_true), 48)
        self.assertLessEqual(np.count_nonzero(inliers & ~is_true), 5)
        corners = np.array([[0.0, 0], [1000, 0], [1000, 1000], [0, 1000]])
        off = verification.project(transform, corners) - verification.project(HOMOGRAPHY, corners)
        self.assertLess(np.abs(off).max(), 5)

    def test_finds_a_planted_affine_map(self):
        for verifier in verification.VERIFIERS:
            query, index, is_true = planted(AFFINE, 60, 60)
            transform, inliers = verification.verify_matches(query, index, verifier, "affine", threshold=10)
            self.assertGreaterEqual(np.count_nonzero(inliers & is_true), 58, verifier)
            np.testing.assert_allclose(transform[:2, :2], AFFINE[:2, :2], atol=0.02)
            np.testing.assert_array_equal(transform[2], [0, 0, 1])

    def test_inliers_are_those_within_the_threshold(self):
        query, index, _ = planted(HOMOGRAPHY, 40, 40)
        transform, inliers = verification.verify_matches(query, index, threshold=10)
        errors = np.linalg.norm(verification.project(transform, index[:, ::-1]) - query[:, ::-1], axis=1)
        np.testing.assert_array_equal(inliers, errors <= 10)

    def test_same_seed_same_result(self):
        query, index, _ = planted(HOMOGRAPHY, 30, 270)
        for verifier in verification.VERIFIERS:
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
        for verifier in verification.VERIFIERS:
            for transform in verification.TRANSFORMS:
                found, inliers = verification.verify_matches(query, index, verifier, transform)
                self.assertFalse(inliers.any(), (verifier, transform))
                self.assertTrue(np.all(np.isnan(found)))

    def test_a_mirror_image_is_no_match(self):
        mirror = np.array([[-1.0, 0, 1000], [0, 1, 0], [0, 0, 1]])
        query, index, _ = planted(mirror, 50, 0)
        for transform in verification.TRANSFORMS:
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


class PlausibleTest(unittest.TestCase):
    points = np.array([[0.0, 0], [100, 0], [100, 100], [0, 100]])

    def test_a_camera_moves_turns_and_tilts(self):
        turned = np.array([[0.0, -2, 300], [2, 0, 10], [0, 0, 1]])
        for transform in (np.eye(3), turned, HOMOGRAPHY):
            self.assertTrue(verification.is_plausible(transform, self.points))

    def test_no_camera_does_these(self):
        for transform in (np.diag([-1.0, 1, 1]), np.diag([11.0, 11, 1]), np.diag([0.05, 0.05, 1]),
                          np.diag([7.0, 1, 1]), np.array([[1.0, 0, 0], [0, 1, 0], [0.06, 0, 1]]),
                          np.full((3, 3), np.nan)):
            self.assertFalse(verification.is_plausible(transform, self.points), transform)


class ScoresTest(unittest.TestCase):
    def test_below_the_floor_similarity_decides(self):
        scores = verification.verified_scores([0.9, 0.5, 0.7, 0.6], [3, 20, 9, 20], min_inliers=10,
                                              final_order="inliers")
        np.testing.assert_array_equal(np.argsort(-scores), [3, 1, 0, 2])

    def test_one_more_inlier_outweighs_any_similarity(self):
        low, high = verification.verified_scores([1.0, -1.0], [10, 11], min_inliers=10, final_order="inliers")
        self.assertLess(low, high)

    def test_weighted_sum_by_hand(self):
        scores = verification.verified_scores([0.5, 0.4, 0.3], [9, 30, 10], min_inliers=10, inlier_weight=0.1)
        np.testing.assert_allclose(scores, [0.5, 0.4 + 0.1 * np.log(3), 0.3])

    def test_weight_of_zero_leaves_the_similarities(self):
        scores = verification.verified_scores([0.5, 0.4], [9, 500], min_inliers=10, inlier_weight=0)
        np.testing.assert_array_equal(scores, [0.5, 0.4])

    def test_floor_follows_an_exponential_tail(self):
        # A tenth of the counts for each step of 4: 90 % below 4, 99 % below 8, so 99.99 % below 16.
        counts = np.floor(np.random.default_rng(0).exponential(4 / np.log(10), 100_000))
        self.assertAlmostEqual(verification.calibrate_min_inliers(counts), 16, delta=1)
        self.assertAlmostEqual(verification.calibrate_min_inliers(counts, 0.999), 12, delta=1)

    def test_a_few_true_pairs_do_not_spoil_the_floor(self):
        counts = np.r_[np.arange(1000) % 10, np.full(15, 200)]
        self.assertLess(verification.calibrate_min_inliers(counts), 20)

    def test_refuses_too_few_pairs(self):
        with self.assertRaisesRegex(ValueError, "Received: 50 pairs"):
            verification.calibrate_min_inliers(np.zeros(50))
        with self.assertRaisesRegex(ValueError, "quantile=1"):
            verification.calibrate_min_inliers(np.zeros(500), 1)


if __name__ == "__main__":
    unittest.main()
