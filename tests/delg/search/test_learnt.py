import shutil
import tempfile
import unittest

import numpy as np

from delg.features.reader import FeatureReader
from delg.index.building import build_index
from delg.reranking import loop
from delg.reranking.scoring import PairScorer
from delg.search import retrieval
from delg.search.first_search import Found
from delg.search.learnt import with_learnt
from delg.settings.search import SearchConfig
from tests.fixtures import eager, planar_world, tiny_pairs


def setUpModule():
    eager.run_eagerly()


class _Scorer:
    """Holds image 3 for a match, and cannot judge image 1."""

    def logits(self, query, rows):
        return np.array([{3: 100.0, 1: np.nan}.get(int(row), -100.0) for row in rows])


class WithLearntTest(unittest.TestCase):
    def test_by_hand(self):
        found = Found(np.array([[2, 1, 0, 3]], np.int32), np.array([[0.9, 0.8, 0.7, 0.6]], np.float32),
                      np.zeros((1, 4), np.float32))
        rows = np.arange(4)[::-1]  # index image i is image 3 - i of the features
        for num_rerank, ranks, learnt in ((4, [0, 2, 1, 3], [1, 0, 0, 0]), (2, [2, 1, 0, 3], [0] * 4)):
            config = SearchConfig(num_rerank=num_rerank, learnt_weight=0.5)
            scored = with_learnt(found, _Scorer(), rows, config)
            self.assertEqual(scored.ranks.tolist(), [ranks])
            np.testing.assert_allclose(scored.learnt_similarities, [learnt], atol=1e-6)
            self.assertTrue(np.all(np.diff(scored.scores(config)) <= 0))
            found.reorder(0, np.argsort(-found.similarities[0]))


class SearchTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        planar_world.set_up_class(cls)
        pairs = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, pairs)
        tiny_pairs.write(pairs)
        config = tiny_pairs.config(pairs, num_steps=1, warmup_steps=0, steps_per_epoch=1)
        loop.train(config)
        cls.reranker = f"{config.model_dir}/saved_model"
        cls.index_dir = str(cls.folder / "index_dir")
        build_index(cls.images, cls.index_dir)

    def search(self, name, **config):
        return retrieval.search(self.queries, self.images, self.index_dir, str(self.folder / name),
                                SearchConfig(min_inliers=15, **config), 1, reranker_model=self.reranker)

    def test_the_probability_is_kept_and_counts_in_the_order(self):
        ranking = self.search("learnt.h5", verifier="none", learnt_weight=3.0)
        with FeatureReader(self.queries) as queries, FeatureReader(self.images) as images:
            logits = PairScorer(self.reranker, queries, images).logits(1, ranking.ranks[1])
        np.testing.assert_allclose(ranking.learnt_similarities[1], 1 / (1 + np.exp(-logits)), rtol=1e-4)
        np.testing.assert_allclose(ranking.scores, ranking.similarities + 3 * ranking.learnt_similarities,
                                   rtol=1e-6)
        self.assertTrue(np.all(np.diff(ranking.scores, axis=1) <= 0))
        np.testing.assert_array_equal(ranking.ranks, ranking.global_ranks())

    def test_verified_results_are_those_of_the_new_order(self):
        ranking = self.search("verified.h5", inlier_weight=1.0)
        for query, positives in enumerate(self.positives):
            self.assertEqual(set(ranking.ranks[query, :2]), set(positives))
        self.assertGreater(ranking.num_verified, 0)
        self.assertTrue(np.all(np.diff(np.take_along_axis(
            ranking.scores, ranking.global_columns(), 1), axis=1) <= 0))

    def test_evidence_that_is_not_named_is_not_looked_at(self):
        ranking = self.search("without.h5", evidence="global,geometry", num_rerank=4)
        self.assertIsNone(ranking.learnt_similarities)
        with self.assertRaisesRegex(ValueError, "learnt takes a `reranker_model` and `num_rerank` above 0"):
            self.search("none.h5", evidence="global,learnt", num_rerank=0)


if __name__ == "__main__":
    unittest.main()
