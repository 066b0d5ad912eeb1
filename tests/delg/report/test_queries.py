"""Tests of what the report says of each query."""

import unittest

import numpy as np

from delg.report import queries
from delg.scores import metrics
from delg.scores.ground_truth import GroundTruth
from delg.scores.ranking import Ranking


def _truth(easy, hard, junk, num_index=5):
    rows = [np.array(values, np.int64) for values in (easy, hard, junk)]
    return GroundTruth(index_ids=[f"image{i}" for i in range(num_index)], query_ids=["query"],
                       easy=[rows[0]], hard=[rows[1]], junk=[rows[2]], boxes=np.zeros((1, 4)))


def _ranking(ranks, similarities, num_inliers, query_ids=("query",), num_index=5):
    ranks = np.array(ranks, np.int32)
    num_verified = int((np.array(num_inliers) >= 0).sum(axis=1).max())
    return Ranking(list(query_ids), [f"image{i}" for i in range(num_index)], ranks,
                   np.array(similarities, np.float32), np.array(num_inliers, np.int32),
                   np.full((len(ranks), num_verified, 3, 3), np.nan, np.float32), {})


class JudgeQueriesTest(unittest.TestCase):
    def setUp(self):
        # By similarity: 0 (wrong), 1 (junk), 2 (hard), 3 (easy), 4 (wrong). Verification lifts 3, then 2.
        ranking = _ranking([[3, 2, 0, 1, 4]], [[.6, .7, .9, .8, .1]], [[30, 20, 0, -1, -1]])
        (self.outcome,) = queries.judge_queries(ranking, _truth([3], [2], [1]))

    def test_scores_before_and_after(self):  # before: places 1 and 2 without junk, (0/1+1/2 + 1/2+2/3) / 4
        self.assertAlmostEqual(self.outcome.before, (0 + 1 / 2 + 1 / 2 + 2 / 3) / 4)
        self.assertAlmostEqual(self.outcome.after, 1.0)
        self.assertAlmostEqual(self.outcome.change, 1 - 5 / 12)

    def test_hits_carry_kind_rank_similarity_and_inliers(self):
        self.assertEqual([(hit.image_id, hit.kind, hit.rank, round(hit.similarity, 3), hit.num_inliers)
                          for hit in self.outcome.first_hits(4)],
                         [("image3", "easy", 1, .6, 30), ("image2", "hard", 2, .7, 20),
                          ("image0", "wrong", 3, .9, 0), ("image1", "junk", 4, .8, -1)])
        self.assertEqual([(hit.image_id, hit.kind, hit.rank, hit.column)
                          for hit in self.outcome.first_hits(9, verified=False)],
                         [("image0", "wrong", 1, 2), ("image1", "junk", 2, 3), ("image2", "hard", 3, 1),
                          ("image3", "easy", 4, 0), ("image4", "wrong", 5, 4)])

    def test_missed_and_first(self):
        self.assertEqual([hit.image_id for hit in self.outcome.missed(1)], ["image2"])
        self.assertEqual(self.outcome.first_positive().image_id, "image3")
        self.assertIsNone(self.outcome.first_wrong())  # every positive stands before it
        self.assertEqual(self.outcome.num_among_first(1), 1)
        self.assertEqual(self.outcome.num_among_first(2, verified=False), 1)  # junk does not take a place

    def test_a_wrong_image_before_a_positive(self):
        ranking = _ranking([[3, 0, 2, 1, 4]], [[.9, .8, .7, .6, .5]], [[-1] * 5])
        (outcome,) = queries.judge_queries(ranking, _truth([3], [2], [1]))
        self.assertEqual((outcome.first_wrong().image_id, outcome.first_wrong().rank), ("image0", 2))
        self.assertFalse(outcome.was_verified)
        self.assertEqual(outcome.before, outcome.after)

    def test_a_query_without_positives(self):
        ranking = _ranking([[0, 1, 2, 3, 4]], [[.9, .8, .7, .6, .5]], [[-1] * 5])
        (outcome,) = queries.judge_queries(ranking, _truth([], [], [0]))
        self.assertTrue(np.isnan(outcome.after))
        self.assertFalse(outcome.has_positives)
        self.assertIsNone(outcome.first_positive())
        self.assertEqual(outcome.first_wrong().image_id, "image1")


class ChooseQueriesTest(unittest.TestCase):
    def _outcomes(self, scores):
        ranking = _ranking([[0]] * len(scores), [[.9]] * len(scores), [[0]] * len(scores), num_index=1)
        return [queries.QueryOutcome(row, f"query{row}", int(after >= 0), 0, 0, before, after, True,
                                            np.array(["wrong"], object), np.zeros(1, int), ranking)
                for row, (before, after) in enumerate(scores)]

    def _ids(self, scores, num_queries, num_successes):
        chosen = queries.choose_queries(self._outcomes(scores), num_queries, num_successes)
        return tuple([outcome.row for outcome in part] for part in chosen)

    def test_failures_worst_first_then_successes_best_first(self):
        scores = [(.9, .9), (.1, .1), (.5, .5), (.2, .3), (.9, 1.), (.5, .8)]
        self.assertEqual(self._ids(scores, 4, 2), ([1, 3], [4, 0]))

    def test_among_equals_verification_that_helped_comes_first(self):
        scores = [(1., 1.), (.4, 1.), (.1, .1)]
        self.assertEqual(self._ids(scores, 2, 1), ([2], [1]))

    def test_shows_all_when_there_is_room_and_the_unscored_last(self):
        scores = [(np.nan, np.nan), (.6, .6), (.1, .1), (.9, .9)]
        self.assertEqual(self._ids(scores, 10, 4), ([2, 1, 0], [3]))

    def test_none_asked_for(self):
        self.assertEqual(self._ids([(.5, .5)], 0, 0), ([], []))


class CurvesTest(unittest.TestCase):
    def test_area_is_the_average_precision(self):
        for ranks, num_positives in (([0, 2], 2), ([1, 4, 9], 4), ([0, 1, 2, 3], 4), ([], 3)):
            ranks = np.array(ranks, int)
            curve = queries.precision_at_recalls(ranks, num_positives)
            self.assertAlmostEqual(curve.mean(), metrics.average_precision(ranks, num_positives), delta=.005)

    def test_runs_straight_between_positives(self):  # one positive at place 1: from 0/1 up to 1/2
        curve = queries.precision_at_recalls(np.array([1]), 1)
        np.testing.assert_allclose(curve, queries.recall_grid() / 2)

    def test_mean_over_queries_of_each_protocol(self):
        curves = queries.mean_curves(np.array([[0, 1, 2, 3, 4]]), _truth([0], [], [1]))
        self.assertEqual(set(curves), {"easy", "medium"})  # no hard positive
        np.testing.assert_allclose(curves["easy"], 1)


if __name__ == "__main__":
    unittest.main()
