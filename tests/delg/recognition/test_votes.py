"""delg.recognition.votes: votes counted by hand."""

import unittest

import numpy as np

from delg.recognition import votes
from delg.recognition.votes import NO_LANDMARK
from delg.settings.recognition import VoteConfig


class NeighborScoresTest(unittest.TestCase):
    def test_by_hand(self):  # half the cap; beyond the cap; below the floor; not verified; opposite
        scores = votes.neighbor_scores(
            np.array([[0.5, 0.5, 0.5, 0.5, -0.5]]), np.array([[20, 90, 9, -1, -1]]), min_inliers=10,
            config=VoteConfig(max_inliers=40, inlier_vote=2.0))
        np.testing.assert_allclose(scores, [[1.5, 2.5, 0.5, 0.5, 0]])

    def test_similarity_alone(self):
        scores = votes.neighbor_scores(np.array([[0.25]]), np.array([[90]]), 10,
                                                VoteConfig(inlier_vote=0))
        np.testing.assert_array_equal(scores, [[0.25]])


class VoteTest(unittest.TestCase):
    def check(self, landmarks, scores, num_voters, landmark, confidence):
        found = votes.vote(np.array([landmarks]), np.array([scores]), num_voters)
        self.assertEqual(found.landmarks.tolist(), [landmark])
        np.testing.assert_allclose(found.confidences, [confidence])

    def test_sum_beats_the_single_best(self):
        self.check([7, 3, 3], [0.9, 0.5, 0.6], 3, landmark=3, confidence=1.1)

    def test_only_the_best_few_vote(self):
        self.check([3, 7, 3, 3], [0.5, 0.9, 0.6, 0.2], 2, landmark=7, confidence=0.9)

    def test_equal_sums_go_to_the_better_neighbour(self):
        self.check([5, 4, 5], [0.25, 0.75, 0.5], 3, landmark=4, confidence=0.75)

    def test_votes_against_lower_the_confidence(self):
        self.check([3, NO_LANDMARK, 3], [0.5, 0.25, 0.5], 3, landmark=3, confidence=0.75)

    def test_outvoted_landmark_is_rejected(self):
        self.check([3, NO_LANDMARK, NO_LANDMARK], [0.5, 0.5, 0.25], 3, landmark=NO_LANDMARK, confidence=-0.25)

    def test_no_voter_shows_a_landmark(self):
        found = votes.vote(np.array([[NO_LANDMARK] * 2]), np.array([[0.0, 0.0]]), 2)
        self.assertEqual(found.landmarks.tolist(), [NO_LANDMARK])

    def test_many_queries_agree_with_a_plain_count(self):
        generator = np.random.default_rng(0)
        landmarks = generator.integers(0, 4, (50, 9))
        scores = generator.permuted(np.tile(2.0 ** -np.arange(9), (50, 1)), axis=1)  # sums never tie
        found = votes.vote(landmarks, scores, 5)
        for row in range(50):
            sums = {}
            for place in sorted(range(9), key=lambda place: -scores[row, place])[:5]:
                sums[landmarks[row, place]] = sums.get(landmarks[row, place], 0) + scores[row, place]
            self.assertEqual(found.landmarks[row], max(sums, key=sums.get))
            self.assertAlmostEqual(found.confidences[row], max(sums.values()))


class VoteConfigTest(unittest.TestCase):
    def test_what_is_refused(self):
        for name, value, rule in (("num_voters", 0, "be at least 1"), ("max_inliers", 0, "be at least 1"),
                                  ("inlier_vote", -1.0, "not be negative"),
                                  ("inlier_vote", float("nan"), "not be negative")):
            with self.assertRaisesRegex(ValueError, f"`{name}` must {rule}. Received: {name}={value}"):
                VoteConfig(**{name: value})


if __name__ == "__main__":
    unittest.main()
