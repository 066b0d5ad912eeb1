"""delg.geometry.ranked_pairs: a ranking that keeps matches says what verifying its pairs again says."""

import dataclasses
import os
import unittest
from unittest import mock

import numpy as np

from delg.features.reader import FeatureReader
from delg.geometry import ranked_pairs
from delg.geometry.ranked_pairs import RankedPairs
from delg.index import building
from delg.report.judging import Judge
from delg.search import retrieval
from delg.settings.search import SearchConfig
from tests.fixtures import planar_world


class RankedPairsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        planar_world.set_up_class(cls)
        index_dir = os.path.join(cls.folder, "index")
        building.build_index(cls.images, index_dir)
        cls.ranking = retrieval.search(cls.queries, cls.images, index_dir, os.path.join(cls.folder, "r.h5"),
                                       SearchConfig(num_rerank=8, min_inliers=12))

    def setUp(self):
        self.readers = FeatureReader(self.queries), FeatureReader(self.images)
        for reader in self.readers:
            self.addCleanup(reader.close)
        self.older = dataclasses.replace(self.ranking, num_matches=None, num_mutual=None)

    def test_evidence_is_that_of_pairs_verified_again(self):
        kept, again = (RankedPairs(ranking, *self.readers) for ranking in (self.ranking, self.older))
        with mock.patch.object(ranked_pairs, "compare") as compare:
            found = [kept.evidence(query, range(8)) for query in range(3)]
        compare.assert_not_called()
        for query in range(3):
            np.testing.assert_array_equal(found[query], again.evidence(query, range(8)))
            np.testing.assert_array_equal(found[query][:, 1], self.ranking.num_inliers[query, :8])
        self.assertGreater(found[0][0, 3], 20)
        self.assertEqual(kept.evidence(0, []).shape, (0, 5))

    def test_a_hit_is_compared_once_and_only_for_what_is_drawn(self):
        answers, compared = [], []
        for ranking in (self.ranking, self.older):
            judge = Judge(ranking, *self.readers)
            with mock.patch.object(ranked_pairs, "compare", wraps=ranked_pairs.compare) as compare:
                answers.append([judge.query(query, range(8), str(query), None) for query in range(3)])
            compared.append(compare.call_count)
            self.assertEqual(len(judge.matches), 3 * 3)
        self.assertEqual(*answers)
        self.assertEqual(compared, [3 * 3, 3 * 8])  # of the first three hits two are confirmed
        self.assertEqual([hit.box is not None for hit in answers[0][0].hits[:3]], [True, True, False])


if __name__ == "__main__":
    unittest.main()
