"""delg.geometry.matching: hand-placed descriptors on a circle."""

import unittest

import numpy as np

from delg.geometry import matching
from delg.settings.kinds import MATCHERS


def on_circle(*degrees):
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


class MatchDescriptorsTest(unittest.TestCase):
    def test_mutual_keeps_each_others_nearest(self):
        # 0 -> 2 and back; 50 -> 40 and back; 6 -> 2, which prefers 0.
        matches = matching.match_descriptors(on_circle(0, 6, 50), on_circle(40, 2), "mutual")
        self.assertEqual(sorted(zip(matches.query_rows, matches.index_rows)), [(0, 1), (2, 0)])

    def test_sorted_by_first_over_second_distance(self):
        # 100 -> 110: 10 degrees, the next 90 away. 0 -> 5: 5 degrees, the next 20 away: less distinct.
        matches = matching.match_descriptors(on_circle(0, 100), on_circle(5, 20, 110), "mutual")
        np.testing.assert_array_equal(matches.query_rows, [1, 0])
        np.testing.assert_array_equal(matches.index_rows, [2, 0])
        np.testing.assert_allclose(matches.distances, 2 * np.sin(np.radians([5, 2.5])), atol=1e-3)

    def test_ratio_drops_the_ambiguous(self):
        # 0 lies 10 from one and 11 from another; 100 stands alone.
        matches = matching.match_descriptors(on_circle(0, 100), on_circle(10, -11, 101), "ratio", ratio=0.8)
        np.testing.assert_array_equal(matches.query_rows, [1])

    def test_threshold_is_one_way_and_sorted_by_distance(self):
        matches = matching.match_descriptors(on_circle(0, 4, 170), on_circle(5, 90), "threshold",
                                             max_distance=1.0)
        np.testing.assert_array_equal(matches.query_rows, [1, 0])  # 170 is 80 degrees off: beyond 1.0
        np.testing.assert_array_equal(matches.index_rows, [0, 0])

    def test_equal_descriptors_match_once(self):
        matches = matching.match_descriptors(on_circle(0, 0), on_circle(0, 0), "mutual")
        self.assertEqual(len(matches), 1)

    def test_agrees_with_a_slow_loop(self):
        generator = np.random.default_rng(0)
        query, index = generator.normal(size=(2, 60, 8))
        query /= np.linalg.norm(query, axis=1, keepdims=True)
        index /= np.linalg.norm(index, axis=1, keepdims=True)
        distances = np.array([[np.linalg.norm(a - b) for b in index] for a in query])
        expected = {(i, int(distances[i].argmin())) for i in range(60)
                    if distances[:, distances[i].argmin()].argmin() == i}
        matches = matching.match_descriptors(query.astype(np.float32), index.astype(np.float32))
        self.assertEqual(set(zip(matches.query_rows.tolist(), matches.index_rows.tolist())), expected)

    def test_one_index_feature_matches_without_a_second(self):
        self.assertEqual(len(matching.match_descriptors(on_circle(0, 90), on_circle(1))), 1)

    def test_images_without_features_do_not_match(self):
        for matcher in MATCHERS:
            self.assertEqual(len(matching.match_descriptors(on_circle(), on_circle(0), matcher)), 0)
            self.assertEqual(len(matching.match_descriptors(on_circle(0), on_circle(), matcher)), 0)

    def test_refuses_other_dimensions(self):
        with self.assertRaisesRegex(ValueError, r"Received: \(3, 2\) and \(3, 4\)"):
            matching.match_descriptors(np.zeros((3, 2)), np.zeros((3, 4)))

    def test_refuses_unknown_matcher(self):
        with self.assertRaisesRegex(ValueError, "matcher='flann'"):
            matching.match_descriptors(on_circle(0), on_circle(0), "flann")


class OneToOneTest(unittest.TestCase):
    def test_the_better_match_keeps_the_index_feature(self):
        matches = matching.one_to_one(matching.Matches(np.array([5, 6, 7]), np.array([1, 1, 0]), np.zeros(3)))
        np.testing.assert_array_equal(matches.query_rows, [5, 7])


class GuidedMatchesTest(unittest.TestCase):
    def test_second_nearest_matches_where_the_transform_puts_it(self):
        # Query 0 and index 0 are each other's second: their nearest are index 1 and query 1, elsewhere.
        cosines = np.array([[0.8, 0.9], [0.9, 0.1]], np.float32)
        query, mapped = np.array([[0.0, 0.0], [300.0, 0.0]]), np.array([[1.0, 0.0], [500.0, 0.0]])
        self.assertEqual(len(matching.guided_matches(cosines, query, mapped, 5.0, num_neighbors=1)), 0)
        matches = matching.guided_matches(cosines, query, mapped, 5.0, num_neighbors=2)
        self.assertEqual(list(zip(matches.query_rows, matches.index_rows)), [(0, 0)])

    def test_agrees_with_a_slow_loop(self):
        generator = np.random.default_rng(0)
        cosines = generator.uniform(-1, 1, (40, 50)).astype(np.float32)
        query, mapped = generator.uniform(0, 10, (40, 2)), generator.uniform(0, 10, (50, 2))
        before = cosines.copy()
        matches = matching.guided_matches(cosines, query, mapped, 3.0, num_neighbors=3)
        np.testing.assert_array_equal(cosines, before)
        allowed = {}
        for i in range(40):
            for j in range(50):
                ranks = np.sum(cosines[i] > cosines[i, j]), np.sum(cosines[:, j] > cosines[i, j])
                if max(ranks) < 3 and np.linalg.norm(query[i] - mapped[j]) <= 3:
                    allowed[i, j] = cosines[i, j]
        expected = {(i, j) for (i, j), alike in allowed.items()
                    if alike == max(value for (a, b), value in allowed.items() if a == i or b == j)}
        self.assertEqual(set(zip(matches.query_rows, matches.index_rows)), expected)
        self.assertEqual(len(matches), len(expected))

    def test_one_to_one(self):
        cosines = np.array([[0.9, 0.8], [0.95, 0.1]], np.float32)
        places = np.zeros((2, 2))
        matches = matching.guided_matches(cosines, places, places, 1.0, num_neighbors=2)
        np.testing.assert_array_equal(matches.query_rows, [1])  # 0 lost its best to 1
        np.testing.assert_array_equal(matches.index_rows, [0])

    def test_points_that_do_not_map_do_not_match(self):
        mapped = np.array([[np.inf, np.inf]])
        self.assertEqual(len(matching.guided_matches(np.ones((1, 1), np.float32), np.zeros((1, 2)), mapped,
                                                     9.0)), 0)


if __name__ == "__main__":
    unittest.main()
