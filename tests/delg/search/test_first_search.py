"""Global descriptors and local features searched together; indexes that do not stand beside each other."""

import shutil
import unittest

import numpy as np

from delg.features.reader import FeatureReader
from delg.index import building
from delg.scores.ranking import read_ranking
from delg.search import neighbors, retrieval
from delg.settings.index import IndexConfig
from delg.settings.search import SearchConfig
from tests.fixtures import planar_world
from tests.fixtures.feature_shards import FeatureShard, write_feature_shard

_LOCAL = IndexConfig(index_type="binary_asmk", num_codewords=64)


class SumTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        planar_world.set_up_class(cls)
        building.build_index(cls.images, str(cls.folder / "index"))
        building.build_index(cls.images, str(cls.folder / "local"), _LOCAL)

    def search(self, output="ranking.h5", index="index", local="local", **settings):
        config = SearchConfig(**{"num_rerank": 12, "min_inliers": 12, **settings})
        return retrieval.search(self.queries, self.images, str(self.folder / index),
                                str(self.folder / output), config, num_workers=1,
                                local_index_dir=local and str(self.folder / local))

    def test_results_are_ordered_by_the_sum_and_keep_both_similarities(self):
        ranking = self.search(verifier="none", local_weight=3.0)
        plain, local = self.search("global.h5", local="", verifier="none"), self.search(
            "local.h5", index="local", local="", verifier="none")
        for query in range(len(ranking.query_ids)):
            similarities = dict(zip(plain.ranks[query], plain.similarities[query]))
            by_local = dict(zip(local.ranks[query], local.similarities[query]))
            scores = [similarities[row] + 3 * by_local[row] ** 0.5 for row in ranking.ranks[query]]
            np.testing.assert_allclose(ranking.scores[query], scores, atol=1e-6)
            np.testing.assert_allclose(ranking.similarities[query],
                                       [similarities[row] for row in ranking.ranks[query]], atol=1e-6)
            self.assertTrue(np.all(np.diff(scores) <= 1e-6))
        stored = read_ranking(str(self.folder / "ranking.h5"))
        np.testing.assert_array_equal(stored.local_similarities, ranking.local_similarities)
        np.testing.assert_array_equal(stored.global_ranks(), ranking.ranks)
        self.assertIsNone(plain.local_similarities)

    def test_first_by_the_sum_are_verified_though_they_are_last_by_global_descriptors(self):
        plain = self.search("few.h5", local="", num_rerank=4, num_neighbors=4)
        ranking = self.search("few_summed.h5", num_rerank=4, num_neighbors=4, local_weight=20.0)
        for query, positives in enumerate(self.positives):
            self.assertFalse(set(plain.ranks[query]) & set(positives))
            self.assertEqual(set(ranking.ranks[query, :2]), set(positives))
            self.assertTrue(np.all(ranking.num_inliers[query, :2] > 40))

    def test_expansion_moves_the_sum(self):
        ranking = self.search("expanded.h5", expand_query=True)
        for query, positives in enumerate(self.positives):
            self.assertEqual(set(ranking.ranks[query, :2]), set(positives))

    def test_only_evidence_that_is_named_counts(self):
        whole = self.search("whole.h5")
        plain = self.search("plain.h5", evidence="global")
        self.assertEqual((plain.num_verified, plain.local_similarities), (0, None))
        np.testing.assert_array_equal(plain.ranks, self.search("other.h5", local="", verifier="none").ranks)
        local = self.search("asmk.h5", evidence="asmk, geometry")
        np.testing.assert_array_equal(np.sort(local.ranks), np.sort(whole.ranks))
        np.testing.assert_allclose(local.scores, 4 * local.local_similarities ** 0.5, atol=1e-6)
        self.assertEqual(local.num_verified, 12)
        named = self.search("named.h5", evidence="global,asmk,geometry")
        np.testing.assert_array_equal(named.ranks, whole.ranks)

    def test_neighbours_count_where_they_are_named(self):
        plain = self.search("no_neighbors.h5", verifier="none")
        self.assertIsNone(plain.overlaps)
        ranking = self.search("neighbors.h5", evidence="global,asmk,neighbors", neighbor_weight=3.0)
        np.testing.assert_allclose(ranking.scores, ranking.similarities + 4 * ranking.local_similarities**0.5
                                   + 3 * ranking.overlaps, atol=1e-5)
        self.assertTrue(np.all(np.diff(ranking.scores) <= 1e-6))
        index, local = (building.load_index(str(self.folder / name)) for name in ("index", "local"))
        with FeatureReader(self.images) as images:
            of_images = [images.local_features(row).descriptors for row in range(len(images))]
        among = index.descriptors[:] @ index.descriptors[:].T + 4 * local.similarities(of_images, True)**0.5
        for query, rows in enumerate(plain.ranks):
            expected = neighbors.overlaps(plain.scores[query], among[np.ix_(rows, rows)])
            found = dict(zip(ranking.ranks[query], ranking.overlaps[query]))
            np.testing.assert_allclose([found[row] for row in rows], expected, atol=1e-4)
        stored = read_ranking(str(self.folder / "neighbors.h5"))
        np.testing.assert_array_equal(stored.scores, ranking.scores)
        with self.assertRaisesRegex(ValueError, "neighbors takes an `index_dir` of global descriptors"):
            self.search("x.h5", index="local", local="", evidence="asmk,neighbors")

    def test_evidence_that_was_not_given_is_refused(self):
        with self.assertRaisesRegex(ValueError, "`evidence` must be of what the search is given. asmk takes "
                                                "a `local_index_dir`. Received: evidence='global,asmk'"):
            self.search("x.h5", local="", evidence="global,asmk")
        with self.assertRaisesRegex(ValueError, "global takes an `index_dir` of global descriptors"):
            self.search("x.h5", index="local", local="", evidence="global")
        with self.assertRaisesRegex(ValueError, "geometry takes a `verifier` and `num_rerank` above 0"):
            self.search("x.h5", evidence="global,geometry", verifier="none")

    def test_candidates_by_either_evidence_are_verified(self):
        building.build_index(self.images, str(self.folder / "few"), IndexConfig(
            index_type="binary", num_candidates=2))
        self.assertEqual(self.search("few_plain.h5", index="few", local="").ranks.shape[1], 2)
        ranking = self.search("few_both.h5", index="few")
        self.assertEqual(ranking.ranks.shape[1], 4)
        for query, positives in enumerate(self.positives):
            self.assertEqual(set(ranking.ranks[query, :2]), set(positives))
            self.assertEqual(len(set(ranking.ranks[query])), 4)
        with FeatureReader(self.queries) as queries, FeatureReader(self.images) as images:
            cosines = queries.global_descriptors @ images.global_descriptors.T
        expected = np.take_along_axis(cosines, ranking.ranks, 1)
        np.testing.assert_allclose(ranking.similarities, expected, atol=1e-5)

    def test_a_ranking_without_the_other_index_is_made_anew(self):
        self.search("kept.h5", local="")
        self.assertIsNotNone(self.search("kept.h5").local_similarities)
        self.assertIsNone(self.search("kept.h5", local="").local_similarities)

    def test_images_may_stand_in_another_order(self):
        with FeatureReader(self.images) as images:
            first, features = images.ids[0], images.local_features(0)
            write_feature_shard(str(self.folder / "first.h5"), FeatureShard(
                [first], images.global_descriptors[:1], images.image_sizes[:1], np.array([0, len(features)]),
                features.keypoints_yx, features.descriptors, features.scores, features.scales, images.config))
        shutil.copytree(self.folder / "local", self.folder / "moved")
        building.update_index(str(self.folder / "moved"), str(self.folder / "first.h5"), [first])
        expected = self.search("one_order.h5")
        ranking = self.search("other_order.h5", local="moved")
        np.testing.assert_array_equal(ranking.ranks, expected.ranks)
        np.testing.assert_array_equal(ranking.local_similarities, expected.local_similarities)

    def test_an_index_of_other_images_is_refused(self):
        shutil.copytree(self.folder / "local", self.folder / "fewer")
        building.update_index(str(self.folder / "fewer"), remove_ids=["i1"])
        with self.assertRaisesRegex(ValueError, "`local_index_dir` must be of the model and images of "
                                                "`index_dir`. Received: .*fewer"):
            self.search("fewer.h5", local="fewer")

    def test_indexes_of_the_wrong_kind_are_refused(self):
        with self.assertRaisesRegex(ValueError, "`local_index_dir` must be an index of local features where"):
            self.search("x.h5", local="index")
        with self.assertRaisesRegex(ValueError, "`index_dir` must be an index of global descriptors where"):
            self.search("x.h5", index="local")


if __name__ == "__main__":
    unittest.main()
