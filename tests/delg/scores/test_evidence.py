"""delg.scores.evidence: what counts in a search, and the orders by each kind alone, by hand."""

import unittest

import numpy as np

from delg.scores import evidence
from delg.scores.ranking import Ranking
from delg.settings.kinds import GLOBAL_DESCRIPTORS, LOCAL_FEATURES
from delg.settings.search import SearchConfig


def _ranking(num_verified=2, local=True, **config):
    return Ranking(["q"], ["a", "b", "c"], np.array([[2, 0, 1]]), np.array([[0.2, 0.9, 0.5]], np.float32),
                   np.array([[30, 9, -1]]), np.full((1, num_verified, 3, 3), np.nan, np.float32),
                   {"min_inliers": 10, **config},
                   np.array([[0.04, 0.01, 0.09]], np.float32) if local else None)


class CountedTest(unittest.TestCase):
    def test_all_that_is_given_or_what_is_named(self):
        for config, by, has_local, expected in (
                ({}, GLOBAL_DESCRIPTORS, False, ["global", "geometry"]),
                ({}, GLOBAL_DESCRIPTORS, True, ["global", "asmk", "geometry"]),
                ({}, LOCAL_FEATURES, False, ["asmk", "geometry"]),
                ({"verifier": "none"}, GLOBAL_DESCRIPTORS, True, ["global", "asmk"]),
                ({"num_rerank": 0}, GLOBAL_DESCRIPTORS, False, ["global"]),
                ({}, GLOBAL_DESCRIPTORS, False, ["global", "geometry", "learnt"]),
                ({"evidence": "geometry,asmk"}, GLOBAL_DESCRIPTORS, True, ["asmk", "geometry"])):
            self.assertEqual(evidence.counted(
                SearchConfig(**config), evidence.Given(by, has_local, "learnt" in expected)), expected)


class OrdersTest(unittest.TestCase):
    def orders(self, ranking):
        return {name: ranks.tolist()[0] for name, ranks in evidence.orders(ranking).items()}

    def test_each_kind_alone_and_the_sum(self):
        # Sums with weight 4: c 0.2 + 0.8, a 0.9 + 0.4, b 0.5 + 1.2. c alone is above the floor.
        self.assertEqual(self.orders(_ranking()), {"global": [0, 1, 2], "asmk": [1, 2, 0],
                                                   "geometry": [2, 1, 0], "global+asmk": [1, 0, 2]})

    def test_an_index_of_local_features_has_the_order_of_its_own(self):
        self.assertEqual(self.orders(_ranking(0, False, ranked_by=LOCAL_FEATURES)),
                         {"global": [0, 1, 2], "asmk": [0, 1, 2]})

    def test_what_does_not_count_is_in_no_sum(self):
        ranking = _ranking(evidence="asmk,geometry")
        self.assertEqual(self.orders(ranking),
                         {"global": [0, 1, 2], "asmk": [1, 2, 0], "geometry": [2, 1, 0]})
        self.assertEqual(evidence.summed_name(ranking), "asmk")


if __name__ == "__main__":
    unittest.main()
