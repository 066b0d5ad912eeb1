"""delg.geometry.verifiers.scale: transforms from single matches with their keypoint scales."""

import unittest

import numpy as np

from delg.geometry import transforms, verification
from delg.geometry.verification import MatchedKeypoints
from delg.geometry.verifiers import scale

SIMILARITY = np.array([[1.5, 0.1, -200.0], [-0.1, 1.5, -100.0], [0.0, 0.0, 1.0]])
AFFINE = np.array([[0.8, 0.15, 40.0], [-0.05, 0.6, 120.0], [0.0, 0.0, 1.0]])
HOMOGRAPHY = np.array([[0.9, 0.1, 30.0], [-0.1, 1.0, 20.0], [3e-4, 2e-4, 1.0]])


def magnification(transform, points_xy):
    """Root of the determinant of the transform's derivative at each point."""
    depth = points_xy @ transform[2, :2] + transform[2, 2]
    return np.sqrt(np.linalg.det(transform) / depth**3)


def planted(transform, num_true, num_false, seed=0, noise=2.0):
    """query_xy, index_xy, query_scales, index_scales, is_true; scales in steps of sqrt(2) as DELG's are."""
    generator = np.random.default_rng(seed)
    total = num_true + num_false
    index_xy = generator.uniform(0, (1024, 768), (total, 2))
    query_xy = generator.uniform(0, (1024, 768), (total, 2))
    query_xy[:num_true] = (transforms.project(transform, index_xy[:num_true])
                           + generator.normal(0, noise, (num_true, 2)))
    query_scales, index_scales = 2 ** (generator.integers(-2, 5, (2, total)) / 2)
    exact = index_scales[:num_true] * magnification(transform, index_xy[:num_true])
    query_scales[:num_true] = 2 ** (np.round(2 * np.log2(exact) + generator.normal(0, 0.4, num_true)) / 2)
    order = generator.permutation(total)
    return tuple(rows[order] for rows in (query_xy, index_xy, query_scales, index_scales,
                                          np.arange(total) < num_true))


def verified(query_xy, index_xy, query_scales, index_scales, **settings):
    return verification.verify_matches(query_xy[:, ::-1], index_xy[:, ::-1], "scale",
                                       query_scales=query_scales, index_scales=index_scales, **settings)


class CountHypothesesTest(unittest.TestCase):
    def test_by_hand(self):
        # The first doubles and shifts by 1 along x: it puts (1, 0) at (3, 0), the second's partner.
        index_xy = np.array([[0.0, 0], [1, 0], [0, 5]])
        query_xy = np.array([[1.0, 0], [3, 0], [9, 9]])
        for second, expected in ((2.0, [2, 2, 1]), (1.3, [2, 1, 1]), (1.0, [1, 1, 1])):
            counts = scale.count_hypotheses(query_xy, index_xy, np.array([2.0, second, 1]), 0.5)
            np.testing.assert_array_equal(counts, expected)  # at 1.0 they differ by an octave

    def test_agrees_with_a_slow_loop(self):
        query_xy, index_xy, query_scales, index_scales, _ = planted(SIMILARITY, 30, 60)
        query_xy, index_xy = (points / 1000 for points in (query_xy, index_xy))
        ratios = query_scales / index_scales
        expected = [sum(np.linalg.norm(query_xy[i] + ratio * (x - index_xy[i]) - u) <= 0.03
                        and abs(np.log2(ratio / other)) <= 0.75
                        for u, x, other in zip(query_xy, index_xy, ratios)) for i, ratio in enumerate(ratios)]
        counts = scale.count_hypotheses(query_xy, index_xy, ratios, 0.03)
        np.testing.assert_array_equal(counts, expected)
        self.assertGreater(counts.max(), 3)


class FindTransformTest(unittest.TestCase):
    def test_finds_what_usac_finds_among_nine_wrong_matches_in_ten(self):
        for transform in (SIMILARITY, AFFINE, HOMOGRAPHY):
            for seed in range(3):
                *matches, is_true = planted(transform, 40, 360, seed)
                _, inliers = verified(*matches, threshold=15)
                _, sampled = verification.verify_matches(
                    matches[0][:, ::-1], matches[1][:, ::-1], threshold=15, max_iterations=10_000)
                found = np.count_nonzero(inliers & is_true)
                self.assertGreaterEqual(found, 39)
                self.assertGreaterEqual(found, np.count_nonzero(sampled & is_true))
                self.assertLessEqual(np.count_nonzero(inliers & ~is_true), 6)

    def test_the_transform_is_the_planted_one(self):
        corners = np.array([[100.0, 100], [900, 100], [900, 700], [100, 700]])
        for transform, kind in ((SIMILARITY, "affine"), (AFFINE, "affine"), (HOMOGRAPHY, "homography")):
            *matches, _ = planted(transform, 100, 100, noise=0.5)
            found, _ = verified(*matches, transform=kind, threshold=10)
            off = transforms.project(found, corners) - transforms.project(transform, corners)
            self.assertLess(np.abs(off).max(), 2)
            if kind == "affine":
                np.testing.assert_allclose(found[2], [0, 0, 1], atol=1e-12)

    def test_the_seed_changes_nothing(self):
        *matches, _ = planted(HOMOGRAPHY, 30, 200)
        first, again = (verified(*matches, seed=seed) for seed in (0, 1))
        np.testing.assert_array_equal(first[0], again[0])
        np.testing.assert_array_equal(first[1], again[1])

    def test_the_unit_of_the_scales_does_not_matter(self):
        query_xy, index_xy, query_scales, index_scales, _ = planted(AFFINE, 50, 50)
        one = verified(query_xy, index_xy, query_scales, index_scales)
        other = verified(query_xy, index_xy, 4 * query_scales, 4 * index_scales)
        np.testing.assert_array_equal(one[0], other[0])

    def test_more_matches_than_one_block_of_the_table(self):
        *matches, is_true = planted(SIMILARITY, 100, 1500)
        _, inliers = verified(*matches)
        self.assertGreaterEqual(np.count_nonzero(inliers & is_true), 99)

    def test_chance_gives_few_inliers(self):
        for seed in range(5):
            *matches, _ = planted(SIMILARITY, 0, 300, seed)
            _, inliers = verified(*matches)
            self.assertLessEqual(np.count_nonzero(inliers), 15)

    def test_one_place_seen_many_times_is_no_match(self):
        generator = np.random.default_rng(0)
        spread, same = generator.uniform(0, 1000, (6, 2)), np.full((6, 2), 100.0)
        for query_xy, index_xy in ((same, spread), (spread, same), (same, same)):
            matched = MatchedKeypoints(query_xy, index_xy, np.ones(6), np.ones(6))
            self.assertIsNone(scale.find_transform(matched, transforms.AFFINE, 20.0))

    def test_two_matches_are_no_match(self):
        points = np.array([[0.0, 0], [100, 50]])
        matched = MatchedKeypoints(points, points, np.ones(2), np.ones(2))
        self.assertIsNone(scale.find_transform(matched, transforms.AFFINE, 20.0))


if __name__ == "__main__":
    unittest.main()
