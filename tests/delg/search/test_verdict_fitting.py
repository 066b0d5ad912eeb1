"""delg.search.verdict_fitting: models fitted on made-up numbers, and the pairs that a ranking gives."""

import json
import pathlib
import shutil
import tempfile
import unittest
from unittest import mock

import numpy as np

from delg.geometry import verdict
from delg.index import building
from delg.search import retrieval, verdict_fitting
from delg.settings.search import SearchConfig
from tests.fixtures import planar_world


def made_up(num_queries=40, per_query=20, seed=0):
    """Evidence, labels and queries of pairs, a quarter of which show one thing."""
    generator = np.random.default_rng(seed)
    labels = generator.random(num_queries * per_query) < 0.25
    inliers = generator.poisson(np.where(labels, 40, 8))
    similarity = generator.normal(np.where(labels, 0.7, 0.5), 0.1)
    nothing = np.zeros(labels.size)
    evidence = np.stack([similarity, inliers, nothing + 100, inliers // 2, nothing], axis=1)
    return evidence, labels, np.repeat(np.arange(num_queries), per_query)


class FitModelTest(unittest.TestCase):
    def test_says_what_is_so_of_pairs_it_has_not_seen(self):
        fitted = verdict_fitting.fit_model(*made_up())
        model = verdict.model_of(fitted, "fitted")
        evidence, labels, _ = made_up(seed=1)
        said, words = model.judge(evidence)
        self.assertLess(abs(said.mean() - labels.mean()), 0.02)
        is_same = np.array(words) == "same"
        self.assertGreater(labels[is_same].mean(), 0.99)
        self.assertGreater(is_same[labels].mean(), 0.7)
        self.assertLess(fitted["fitted_on"]["calibration_error"], 0.05)
        self.assertEqual(fitted["fitted_on"]["num_queries"], 40)

    def test_is_the_same_again(self):
        self.assertEqual(verdict_fitting.fit_model(*made_up()), verdict_fitting.fit_model(*made_up()))

    def test_same_is_as_rare_as_it_takes_to_be_right(self):
        evidence, labels, queries = made_up()
        mistaken = ~labels & (np.arange(labels.size) % 5 == 0)
        evidence[mistaken] = [0.7, 40, 100, 20, 0]  # like a match
        fitted = verdict_fitting.fit_model(evidence, labels, queries)
        self.assertGreaterEqual(fitted["same"], 0.9)
        self.assertLess(fitted["fitted_on"]["recall_of_same"], 0.5)

    def test_refuses_few_queries(self):
        with self.assertRaisesRegex(ValueError, "at least 10 queries with results. Received: 9"):
            verdict_fitting.fit_model(*made_up(num_queries=9))


class FitTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.positives = planar_world.write_world(self.folder)
        self.features = str(self.folder / "query*.h5"), str(self.folder / "index-*.h5")
        building.build_index(self.features[1], str(self.folder / "index"))

    def fit(self, junk=(), **settings):
        retrieval.search(*self.features, str(self.folder / "index"), str(self.folder / "ranking.h5"),
                         SearchConfig(num_rerank=12, min_inliers=12, **settings))
        truth = {"imlist": [f"i{row}" for row in range(12)], "qimlist": ["q0", "q1", "q2"],
                 "gnd": [{"bbx": [0, 0, 9, 9], "easy": rows[:1], "hard": rows[1:], "junk": list(junk)}
                         for rows in self.positives]}
        path = self.folder / "gnd.json"
        path.write_text(json.dumps(truth), encoding="utf-8")
        return verdict_fitting.fit(str(self.folder / "ranking.h5"), str(path), *self.features)

    def test_pairs_are_the_verified_results_without_junk(self):
        positive = {row for rows in self.positives for row in rows}
        [junk, *_] = set(range(12)) - positive
        with mock.patch.object(verdict_fitting, "fit_model", return_value={"fitted_on": {}}) as fit_model:
            fitted = self.fit(junk=[junk])
        evidence, labels, queries = fit_model.call_args.args
        np.testing.assert_array_equal(np.bincount(queries), [11, 11, 11])
        np.testing.assert_array_equal(np.bincount(queries, labels), list(map(len, self.positives)))
        self.assertGreaterEqual(evidence[labels, 1].min(), 20)
        self.assertLess(evidence[~labels, 1].max(), 20)
        self.assertEqual(fitted["fitted_on"]["ground_truth"], str(self.folder / "gnd.json"))

    def test_refuses_three_queries_and_a_ranking_that_is_not_verified(self):
        with self.assertRaisesRegex(ValueError, "at least 10 queries"):
            self.fit()
        with self.assertRaisesRegex(ValueError, "`ranking` must be verified. Received: .*ranking.h5"):
            self.fit(verifier="none")


if __name__ == "__main__":
    unittest.main()
