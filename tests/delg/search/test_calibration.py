"""Calibration: inliers count where they help, nothing changes where they hurt, and doors stay shut."""

import dataclasses
import json
import shutil
import unittest

import h5py
import numpy as np

from delg.index import building
from delg.scores.ranking import read_ranking, write_ranking
from delg.search import calibration, retrieval
from delg.settings.index import IndexConfig
from delg.settings.search import SearchConfig
from tests.fixtures import planar_world

CONFIG = SearchConfig(num_rerank=12)


class ChooseTest(unittest.TestCase):
    def test_the_first_stays_unless_another_is_clearly_better(self):
        scores = np.array([[0.5, 0.5, 0.5, 0.5], [0.9, 0.5, 0.6, 0.5]])  # better by 0.125, error 0.095
        self.assertEqual(calibration.choose(scores), 0)
        scores[1, 1] = 0.8  # better by 0.2, error 0.091
        self.assertEqual(calibration.choose(scores), 1)

    def test_the_earlier_of_equals(self):
        self.assertEqual(calibration.choose(np.array([[0.5, 0.4], [0.6, 0.6], [0.6, 0.6]])), 1)

    def test_the_earlier_of_those_within_one_error_of_the_best(self):
        # The second is behind the third by 0.05, error 0.05; with one query changed by 0.075, error 0.025.
        self.assertEqual(calibration.choose(np.array([[0.1, 0.1], [0.6, 0.5], [0.6, 0.6]])), 1)
        self.assertEqual(calibration.choose(np.array([[0.1, 0.1], [0.55, 0.5], [0.6, 0.6]])), 2)

    def test_never_one_worse_than_the_first(self):
        # The second, 0.49 on average, is within an error of 0.49 from the best; the first, 0.5, is not of 0.
        self.assertEqual(calibration.choose(np.array([[0.5, 0.5], [0.0, 0.98], [0.6, 0.6]])), 2)


def _chosen(fitted):
    return [fitted[name] for name in calibration.CHOSEN_SETTINGS if name in fitted]


class CalibrationTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        planar_world.set_up_class(cls)
        cls.index_dir = str(cls.folder / "index")
        building.build_index(cls.images, cls.index_dir)
        cls.ranking = cls.search(dataclasses.replace(CONFIG, min_inliers=12), "ranking.h5")

    @classmethod
    def search(cls, config, name, index_dir=None):
        retrieval.search(cls.queries, cls.images, index_dir or cls.index_dir, str(cls.folder / name), config)
        return str(cls.folder / name)

    def fit(self, positives, ranking=None, queries=None):
        truth = {"imlist": [f"i{row}" for row in range(12)], "qimlist": ["q0", "q1", "q2"],
                 "gnd": [{"bbx": [0, 0, 9, 9], "easy": rows[:1], "hard": rows[1:], "junk": []}
                         for rows in positives]}
        path = self.folder / "gnd.json"
        path.write_text(json.dumps(truth), encoding="utf-8")
        return calibration.fit(ranking or self.ranking, str(path), queries or self.queries, self.images)

    def written(self, **changes):
        path = self.folder / "calibration.json"
        path.write_text(json.dumps({**self.fit(self.positives), **changes}), encoding="utf-8")
        return str(path)

    def test_inliers_count_where_they_help(self):
        fitted = self.fit(self.positives)
        self.assertEqual(_chosen(fitted), [12, False, 0.2])
        first, second = fitted["validation"]["candidates"][:2]
        self.assertEqual((first["inlier_weight"], second["inlier_weight"]), (0, 0.2))
        self.assertLess(first["hard"], 30)  # behind six images of other scenes
        self.assertEqual((second["medium"], second["hard"]), (100, 100))
        self.assertEqual(fitted["validation"]["gain"]["medium"]["mAP"], round(100 - first["medium"], 2))

    def test_where_they_hurt_the_ranking_stays_that_of_the_global_search(self):
        fitted = self.fit([[0, 1], [0, 1], [0, 1]])  # what is asked for shows nothing of the query
        self.assertEqual((fitted["inlier_weight"], fitted["expand_query"]), (0, False))
        self.assertEqual(fitted["validation"]["gain"]["hard"], {"mAP": 0, "mAP_interval": (0, 0)})
        config = calibration.apply(self.written(inlier_weight=0.0), CONFIG, self.images, self.index_dir)
        ranking = read_ranking(self.search(config, "unmoved.h5"))
        self.assertTrue(np.any(ranking.num_inliers >= 12))
        np.testing.assert_array_equal(ranking.ranks, ranking.global_ranks())

    def test_half_the_floor_where_it_was_too_high(self):
        ranking = self.search(dataclasses.replace(CONFIG, min_inliers=80), "high.h5")  # of 60
        fitted = self.fit(self.positives, ranking=ranking)
        self.assertEqual(_chosen(fitted), [40, False, 1.0])
        self.assertEqual(fitted["validation"]["gain"]["medium"]["mAP"],
                         round(100 - fitted["validation"]["candidates"][0]["medium"], 2))

    def test_a_floor_that_the_search_found_is_found_anew(self):
        first, default, *others = calibration.candidates(30, calibrated=True)
        self.assertEqual(first, {"min_inliers": 0, "expand_query": False, "inlier_weight": 0.0})
        self.assertEqual(default, {**first, "inlier_weight": 0.2})
        self.assertEqual({candidate["min_inliers"] for candidate in others}, {0, 15})

    def test_every_summand_may_be_left_out(self):
        both = calibration.candidates(30, True, weights={"local_weight": 4.0, "neighbor_weight": 0.2})
        names = ("local_weight", "neighbor_weight", "inlier_weight")
        self.assertEqual([tuple(both[place][name] for name in names) for place in (0, 1, -2, -1)],
                         [(4, 0.2, 0), (4, 0.2, 0.2), (0, 0, 1), (0, 0, 0)])

    def test_a_search_may_verify_more_and_keep_fewer(self):
        config = dataclasses.replace(CONFIG, num_rerank=5, num_neighbors=8)
        found = calibration.apply(self.written(expand_query=True), config, self.images, self.index_dir)
        self.assertEqual(found, dataclasses.replace(config, min_inliers=12, inlier_weight=0.2,
                                                    expand_query=True))

    def test_an_index_of_local_features_takes_a_calibration_of_its_own(self):
        index_dir = str(self.folder / "asmk")
        building.build_index(self.images, index_dir, IndexConfig(index_type="asmk", num_codewords=20))
        ranking = self.search(dataclasses.replace(CONFIG, min_inliers=12), "local.h5", index_dir)
        local = self.fit(self.positives, ranking=ranking)
        self.assertFalse(any(row["expand_query"] for row in local["validation"]["candidates"]))
        self.assertEqual(calibration.apply(self.written(**local), CONFIG, self.images, index_dir).min_inliers,
                         local["min_inliers"])
        for written, searched, phrase in ((local, self.index_dir, "'local features', 'global descriptors'"),
                                          ({}, index_dir, "'global descriptors', 'local features'")):
            with self.assertRaisesRegex(ValueError, f"for ranked_by={phrase} here"):
                calibration.apply(self.written(**written), CONFIG, self.images, searched)

    def test_the_weight_of_local_features_is_chosen_where_they_are_summed(self):
        local_index_dir = str(self.folder / "beside")
        building.build_index(self.images, local_index_dir,
                             IndexConfig(index_type="binary_asmk", num_codewords=20))
        path = str(self.folder / "summed.h5")
        retrieval.search(self.queries, self.images, self.index_dir, path,
                         dataclasses.replace(CONFIG, min_inliers=12), local_index_dir=local_index_dir)
        fitted = self.fit(self.positives, ranking=path)
        rows = fitted["validation"]["candidates"]
        self.assertEqual({row["local_weight"] for row in rows}, {4.0, 2.0, 8.0, 0.0})
        self.assertEqual((rows[-1]["local_weight"], rows[-1]["inlier_weight"]), (0, 0))
        self.assertNotIn("neighbor_weight", fitted)
        arguments = self.written(**fitted), CONFIG, self.images, self.index_dir
        self.assertEqual(calibration.apply(*arguments, local_index_dir).local_weight, fitted["local_weight"])
        with self.assertRaisesRegex(ValueError, "for sums_local=True, False here"):
            calibration.apply(*arguments)

    def test_views_of_queries_take_a_calibration_of_their_own(self):
        fitted = self.fit(self.positives)
        self.assertFalse(fitted["settings"]["query_views"])
        arguments = CONFIG, self.images, self.index_dir
        with self.assertRaisesRegex(ValueError, "for query_views=False, True here"):
            calibration.apply(self.written(**fitted), *arguments, query_views=True)
        ranking = read_ranking(self.ranking)
        path = str(self.folder / "views.h5")
        write_ranking(path, dataclasses.replace(ranking, config={**ranking.config,
                                                                 "query_view_features": "views"}))
        fitted = self.fit(self.positives, ranking=path)
        calibration.apply(self.written(**fitted), *arguments, query_views=True)
        with self.assertRaisesRegex(ValueError, "for query_views=True, False here"):
            calibration.apply(self.written(**fitted), *arguments)

    def test_other_settings_models_and_files_are_refused(self):
        for config, phrase in (
                (dataclasses.replace(CONFIG, matcher="ratio"), "matcher='mutual', 'ratio' here"),
                (dataclasses.replace(CONFIG, verifier="paper"), "verifier='usac', 'paper' here"),
                (dataclasses.replace(CONFIG, min_inliers=12), "`min_inliers` must be left alone"),
                (dataclasses.replace(CONFIG, expand_query=True), "`expand_query` must be left alone"),
                (dataclasses.replace(CONFIG, final_order="inliers"), "`final_order` must be left alone")):
            with self.assertRaisesRegex(ValueError, phrase):
                calibration.apply(self.written(), config, self.images, self.index_dir)
        other = {"fingerprint": "model-b", "max_image_size": 1024, "global_scales": [1.0]}
        with self.assertRaisesRegex(ValueError, "fingerprint='model-b', 'model-a' here"):
            calibration.apply(self.written(features=other), CONFIG, self.images, self.index_dir)
        with self.assertRaisesRegex(ValueError, "gnd.json must be a file of delg.fit_verification"):
            calibration.apply(str(self.folder / "gnd.json"), CONFIG, self.images, self.index_dir)

    def test_what_cannot_be_fitted(self):
        paper = self.search(SearchConfig(verifier="paper", num_rerank=2, max_iterations=5), "paper.h5")
        with self.assertRaisesRegex(ValueError, "another verifier than paper.*paper.h5"):
            self.fit(self.positives, ranking=paper)
        with self.assertRaisesRegex(ValueError, "at least two queries with answers. Received: 1 in"):
            self.fit([self.positives[0], [], []])
        stranger = self.folder / "stranger.h5"
        shutil.copy(self.folder / "query-00000-of-00001.h5", stranger)
        with h5py.File(stranger, "a") as file:
            file.attrs["config"] = json.dumps({**json.loads(file.attrs["config"]), "fingerprint": "b"})
        with self.assertRaisesRegex(ValueError, "`query_features` must be those that.*model 'b', 0 of 3"):
            self.fit(self.positives, queries=str(stranger))


if __name__ == "__main__":
    unittest.main()
