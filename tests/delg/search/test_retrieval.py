"""Search and pairs: scenes found by their geometry, and inputs that do not fit refused."""

import os
import shutil
import unittest
from unittest import mock

import h5py
import numpy as np

from delg.features.reader import FeatureReader
from delg.geometry import pairs
from delg.index import building
from delg.index.searching import ExactIndex
from delg.search import retrieval
from delg.search.rerankers import stack
from delg.settings.index import IndexConfig
from delg.settings.search import SearchConfig
from tests.fixtures import planar_world
from tests.fixtures.saved_index import save_index

CONFIG = SearchConfig(num_rerank=12, min_inliers=12)


class SearchTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        planar_world.set_up_class(cls)
        cls.index_dir = str(cls.folder / "index")
        cls.build(cls.images, cls.index_dir)

    @staticmethod
    def build(images, index_dir):
        with FeatureReader(images) as features:
            save_index(ExactIndex(features.global_descriptors, features.ids,
                                  features.config["fingerprint"]), index_dir)

    def search(self, config=CONFIG, output="ranking.h5", **changes):
        arguments = {"query_features": self.queries, "index_features": self.images,
                     "index_dir": self.index_dir, **changes}
        return retrieval.search(output=str(self.folder / output), config=config, **arguments)

    def test_verification_brings_the_scene_to_the_front(self):
        ranking = self.search()
        for query, positives in enumerate(self.positives):
            self.assertEqual(set(ranking.ranks[query, :2]), set(positives))
            self.assertTrue(np.all(ranking.num_inliers[query, :2] > 40))
            self.assertTrue(np.all(ranking.num_inliers[query, 2:] < 12))
            self.assertEqual(set(ranking.global_ranks()[query, :6]), set(range(6)))
            self.assertTrue(np.all(np.isfinite(ranking.transforms[query, :2])))

    def test_transforms_follow_their_images(self):
        ranking = self.search()
        with FeatureReader(self.queries) as queries, FeatureReader(self.images) as images:
            for query, place in ((0, 0), (2, 1)):
                pair = pairs.verify_pair(queries.local_features(query),
                                         images.local_features(int(ranking.ranks[query, place])),
                                         ranking.search_config, queries.image_sizes[query])
                self.assertEqual(pair.num_inliers, ranking.num_inliers[query, place])
                np.testing.assert_allclose(pair.transform, ranking.transforms[query, place], rtol=1e-6)

    def test_processes_give_the_same_ranking(self):
        alone = self.search(output="alone.h5")
        together = self.search(output="together.h5", num_workers=2)
        for name in ("ranks", "num_inliers", "transforms"):
            np.testing.assert_array_equal(getattr(alone, name), getattr(together, name))

    def test_without_verification(self):
        ranking = self.search(SearchConfig(verifier="none", num_neighbors=4), "global.h5")
        self.assertEqual((ranking.num_verified, ranking.ranks.shape), (0, (3, 4)))
        np.testing.assert_array_equal(ranking.num_inliers, -1)
        np.testing.assert_array_equal(ranking.ranks, np.tile([0, 1, 2, 3], (3, 1)))

    def test_more_results_than_can_be_kept_are_cut_and_said(self):
        with mock.patch.multiple(retrieval, _MOST_RESULTS=35, _KEPT=5), self.assertLogs(
                level="WARNING") as said:
            ranking = self.search(SearchConfig(verifier="none", num_rerank=0), "cut.h5")
        self.assertEqual(ranking.ranks.shape, (3, 5))
        self.assertIn("The first 5 results of each query are kept: 3 queries times 12", said.output[-1])
        with mock.patch.multiple(retrieval, _MOST_RESULTS=35, _KEPT=5):
            asked = self.search(SearchConfig(verifier="none", num_neighbors=7), "asked.h5")
        self.assertEqual(asked.ranks.shape, (3, 7))

    def test_expanded_query_keeps_verified_first_and_the_cosines_of_the_query(self):
        plain = self.search(SearchConfig(num_rerank=8, min_inliers=12), "plain.h5")
        expanded = self.search(SearchConfig(num_rerank=8, min_inliers=12, expand_query=True), "expanded.h5")
        self.assertEqual(set(expanded.ranks[0, :2]), set(self.positives[0]))
        self.assertEqual(set(expanded.ranks[0, :8]), set(range(8)))
        np.testing.assert_array_equal(expanded.ranks[1:], plain.ranks[1:])  # nothing confirmed in reach
        for query in range(3):
            by_row = dict(zip(plain.ranks[query], plain.similarities[query]))
            np.testing.assert_array_equal(expanded.similarities[query],
                                          [by_row[row] for row in expanded.ranks[query]])
            np.testing.assert_array_equal(expanded.global_ranks()[query], plain.global_ranks()[query])

    def test_rerankers_act_on_the_global_search_before_verification(self):
        names = "alpha_qe,neighbor_refinement"
        for expand_query in (False, True):
            config = SearchConfig(num_rerank=12, min_inliers=12, rerankers=names, expand_query=expand_query)
            ranking = self.search(config, "reranked.h5")
            with FeatureReader(self.queries) as queries, FeatureReader(self.images) as images:
                ranks, similarities = stack.rerank(queries.global_descriptors, images.global_descriptors,
                                                       config)
            np.testing.assert_array_equal(ranking.global_ranks(), ranks)
            np.testing.assert_array_equal(np.sort(ranking.similarities), np.sort(similarities))
            for query, positives in enumerate(self.positives):
                self.assertEqual(set(ranking.ranks[query, :2]), set(positives))
        self.assertEqual(ranking.search_config, config)

    def test_paper_recipe(self):
        ranking = self.search(SearchConfig(verifier="paper", num_rerank=8, max_iterations=30), "paper.h5")
        self.assertEqual((ranking.config["matcher"], ranking.config["transform"],
                          ranking.config["guided_neighbors"]), ("threshold", "affine", 0))
        self.assertIn(ranking.ranks[0, 0], self.positives[0])

    def test_finished_ranking_is_kept_until_settings_change(self):
        self.search(output="kept.h5")
        path = self.folder / "kept.h5"
        os.utime(path, (1, 1))
        self.search(output="kept.h5")
        self.assertEqual(os.path.getmtime(path), 1)
        self.search(SearchConfig(num_rerank=12, min_inliers=13), output="kept.h5")
        self.assertGreater(os.path.getmtime(path), 1)

    def test_floor_is_calibrated_on_unrelated_pairs(self):
        folder = self.folder / "large"
        folder.mkdir()
        planar_world.write_world(folder, num_others=400)  # the views of the scenes are ranked last of all
        queries, images, built = (str(folder / name) for name in ("query*.h5", "index-*.h5", "index"))
        self.build(images, built)
        ranking = retrieval.search(queries, images, built, str(folder / "ranking.h5"),
                                   SearchConfig(num_rerank=3))
        self.assertTrue(ranking.config["min_inliers_calibrated"])
        self.assertTrue(4 <= ranking.config["min_inliers"] <= 30, ranking.config["min_inliers"])

    def test_features_of_another_model_are_refused(self):
        folder = self.folder / "other"
        folder.mkdir()
        planar_world.write_world(folder, fingerprint="model-b")
        with self.assertRaisesRegex(ValueError, "fingerprint='model-b' in .*other.*, 'model-a' in .*index"):
            self.search(output="x.h5", query_features=str(folder / "query*.h5"))
        with self.assertRaisesRegex(ValueError, "of model 'model-a', .*other.* of model 'model-b'"):
            self.search(output="x.h5", query_features=str(folder / "query*.h5"),
                        index_features=str(folder / "index-*.h5"))
        self.assertFalse((self.folder / "x.h5").exists())

    def test_queries_whose_light_alone_was_evened_out_are_searched_and_named(self):
        for name, settings, flag in (("translated", {}, " --norelight"), ("relit", {"relit": True}, ""), (
                "both", {"relit": True, "photometric_beside": True}, " --photometric_beside")):
            folder = self.folder / name
            folder.mkdir()
            planar_world.write_world(folder, photometric="translate", translator="model-t",
                                     translation="night_to_day", **settings)
            with self.assertLogs(level="WARNING") as logged:
                ranking = self.search(query_features=str(folder / "query*.h5"), output=f"{name}.h5")
            self.assertRegex(
                logged.output[0], f"with --photometric=translate --translation=night_to_day{flag}, index "
                "images with --photometric=none: compared as they are")
            np.testing.assert_array_equal(ranking.ranks, self.search().ranks)

    def test_features_that_lack_an_indexed_image_are_refused(self):
        folder = self.folder / "fewer"
        folder.mkdir()
        planar_world.write_world(folder, num_others=2)
        with self.assertRaisesRegex(ValueError, "must hold every image.*lacks 4 of 12: i8, i9, i10, [.]{4}"):
            self.search(output="x.h5", index_features=str(folder / "index-*.h5"))

    def test_features_of_other_images_of_the_same_ids_are_refused(self):
        folder = self.folder / "renamed"
        folder.mkdir()
        planar_world.write_world(folder, num_others=8)  # i6 and i7 are no views of a scene there
        with self.assertRaisesRegex(ValueError, "`index_features` must be those that `index_dir` was built "
                                                "from.*renamed.*'i6' is another image or .*/index'"):
            self.search(output="x.h5", index_features=str(folder / "index-*.h5"))
        for index_type in ("binary", "ivf", "hnsw", "asmk", "binary_asmk"):
            index_dir = str(self.folder / f"renamed-{index_type}")
            config = IndexConfig(index_type=index_type, num_codewords=200)
            building.build_index(self.images, index_dir, config)
            planar_world.write_world(folder, num_others=6 if "asmk" in index_type else 8, seed=1)
            with self.subTest(index_type), self.assertRaisesRegex(ValueError, "is another image or was"):
                self.search(output="x.h5", index_dir=index_dir, index_features=str(folder / "index-*.h5"))
        self.assertFalse((self.folder / "x.h5").exists())

    def test_descriptors_that_are_rounded_are_those_of_the_index(self):
        index_dir = str(self.folder / "half")
        building.build_index(self.images, index_dir, IndexConfig(descriptor_dtype="float16"))
        self.assertEqual(self.search(output="half.h5", index_dir=index_dir).ranks.shape, (3, 12))

    def test_index_may_hold_some_of_the_features_images_in_another_order(self):
        index_dir = str(self.folder / "some")
        with FeatureReader(self.images) as images:
            rows = np.array([11, 0, 10, 6, 7, 3])  # both views of scenes 2 and 0, and two others
            ids = [images.ids[row] for row in rows]
            index = ExactIndex(images.global_descriptors[rows], ids, "model-a")
            save_index(index, index_dir)
        ranking = self.search(output="some.h5", index_dir=index_dir)
        self.assertEqual(ranking.index_ids, ids)
        self.assertEqual([set(ranking.ranks[query, :2]) for query in (0, 2)], [{3, 4}, {0, 2}])
        self.assertTrue(np.all(ranking.num_inliers[[0, 2], :2] > 40))
        self.assertTrue(np.all(ranking.num_inliers[1] < 12))

    def test_index_of_local_features(self):
        for index_type in ("asmk", "binary_asmk"):
            index_dir = str(self.folder / index_type)
            config = IndexConfig(index_type=index_type, num_codewords=200)
            building.build_index(self.images, index_dir, config)
            for config in (SearchConfig(verifier="none"), CONFIG):
                ranking = self.search(config, f"{index_type}-{config.verifier}.h5", index_dir=index_dir)
                self.assertEqual(ranking.ranks.shape, (3, 12))
                for query, positives in enumerate(self.positives):
                    self.assertEqual(set(ranking.ranks[query, :2]), set(positives))
            self.assertTrue(np.all(ranking.num_inliers[:, :2] > 40))
            for config, received in ((SearchConfig(rerankers="dba"), "rerankers='dba', expand_query=False"),
                                     (SearchConfig(expand_query=True), "rerankers='', expand_query=True")):
                with self.assertRaisesRegex(ValueError, f"must be off where `index_dir` is.*{received}"):
                    self.search(config, "x.h5", index_dir=index_dir)

    def test_another_index_of_the_same_features_is_searched_anew(self):
        index_dir = str(self.folder / "changed")
        self.build(self.images, index_dir)
        self.search(output="changed.h5", index_dir=index_dir)
        path = self.folder / "changed.h5"
        os.utime(path, (1, 1))
        self.build(self.images, index_dir)  # the same once more
        self.search(output="changed.h5", index_dir=index_dir)
        self.assertEqual(os.path.getmtime(path), 1)
        building.update_index(index_dir, remove_ids=["i0"])
        self.assertEqual(self.search(output="changed.h5", index_dir=index_dir).ranks.shape, (3, 11))

    def test_empty_query_set_is_refused(self):
        folder = self.folder / "empty"
        folder.mkdir()
        path = folder / "query-00000-of-00001.h5"
        shutil.copy(self.folder / "query-00000-of-00001.h5", path)
        with h5py.File(path, "a") as file:
            for name in list(file):
                kept = 1 if name == "offsets" else 0
                values = file[name][:kept]
                del file[name]
                file[name] = values
        with self.assertRaisesRegex(ValueError, "`query_features` must hold at least one image"):
            self.search(output="x.h5", query_features=str(path))


class VerifyPairTest(unittest.TestCase):
    def test_threshold_grows_with_the_query(self):
        generator = np.random.default_rng(0)
        points = generator.uniform(0, 900, (80, 2))
        descriptors = planar_world.unit(generator.normal(size=(80, 32)))
        query = planar_world.local_features(points[:, ::-1] + generator.normal(0, 8, (80, 2)), descriptors)
        image = planar_world.local_features(points[:, ::-1], descriptors)
        config = SearchConfig(inlier_threshold=10, guided_neighbors=0)
        small = pairs.verify_pair(query, image, config, (400, 512))
        large = pairs.verify_pair(query, image, config, (1600, 2048))
        self.assertLess(small.num_inliers, 40)
        self.assertGreater(large.num_inliers, 60)

    def test_images_without_features(self):
        nothing = planar_world.local_features(np.zeros((0, 2)), np.zeros((0, 32)))
        some = planar_world.local_features(np.ones((9, 2)), planar_world.unit(np.ones((9, 32))))
        for verifier in ("usac", "paper"):
            for one, other in ((nothing, some), (some, nothing), (nothing, nothing)):
                pair = pairs.verify_pair(one, other, SearchConfig(verifier=verifier), (100, 100))
                self.assertEqual(pair.num_inliers, 0)
                self.assertTrue(np.all(np.isnan(pair.transform)))


if __name__ == "__main__":
    unittest.main()
