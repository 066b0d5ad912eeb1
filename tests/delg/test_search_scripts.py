"""build_index, search_images and evaluate as commands, one after the other, and how they fail."""

import json
import os
import pathlib
import shutil
import tempfile
import unittest

import numpy as np

from delg.exports.extraction_module import ExtractionModule
from delg.features.query_files import describe_queries
from delg.features.shards import FeatureShardWriter
from delg.scores.ranking import read_ranking
from tests.fixtures import planar_world, scripts
from tests.fixtures.tiny_extraction import RECEPTIVE_FIELD, as_png, block_image, tiny_model


class SearchScriptsTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)

    def test_from_features_to_scores(self):
        positives = planar_world.write_world(self.folder)
        gnd = [{"bbx": [0, 0, 9, 9], "easy": rows[:1], "hard": rows[1:], "junk": []} for rows in positives]
        truth = {"imlist": [f"i{row}" for row in range(12)], "qimlist": ["q0", "q1", "q2"], "gnd": gnd}
        (self.folder / "gnd.json").write_text(json.dumps(truth), encoding="utf-8")
        paths = {name: self.folder / name
                 for name in ("index", "ranking.h5", "metrics.json", "calibration.json")}
        features = {f"{split}_features": self.folder / f"{split}-*.h5" for split in ("query", "index")}
        search = {**features, "min_inliers": 12, "index_dir": paths["index"], "output": paths["ranking.h5"],
                  "rerankers": "alpha_qe,diffusion"}
        for module, flags in (
                ("delg.build_index", {"features_dir": self.folder / "index-*.h5",
                                      "index_dir": paths["index"]}),
                ("delg.search_images", search),
                ("delg.fit_verification", {**features, "ranking": paths["ranking.h5"],
                                           "ground_truth": self.folder / "gnd.json",
                                           "output": paths["calibration.json"]}),
                ("delg.search_images", {**search, "min_inliers": 0,
                                        "calibration": paths["calibration.json"]}),
                ("delg.evaluate", {"ranking": paths["ranking.h5"], "ground_truth": self.folder / "gnd.json",
                                   "output": paths["metrics.json"]})):
            finished = scripts.run(module, **flags)
            self.assertEqual(finished.returncode, 0, finished.stderr)
        self.assertIn("verified", finished.stdout)
        scores = json.loads(paths["metrics.json"].read_text(encoding="utf-8"))
        self.assertEqual(scores["verified"]["medium"]["mAP"], 100)
        self.assertLess(scores["global"]["medium"]["mAP"], 50)
        self.assertEqual(scores["config"]["min_inliers"], 12)
        chosen = json.loads(paths["calibration.json"].read_text(encoding="utf-8"))
        self.assertEqual(scores["config"]["expand_query"], chosen["expand_query"])
        self.assertEqual(scores["config"]["inlier_weight"], chosen["inlier_weight"])
        self.assertEqual(scores["config"]["rerankers"], "alpha_qe,diffusion")

    def test_image_files_are_described_as_the_index_images_were(self):
        self.add_photos()
        found = self.search(query_images=self.folder / "photos")
        self.assertEqual(found.query_ids, ["0.png", "1.png"])
        self.assertEqual([found.index_ids[row] for row in found.ranks[:, 0]], ["0.png", "1.png"])
        np.testing.assert_allclose(found.similarities[:, 0], 1, atol=1e-6)
        one = str(self.folder / "photos/1.png")
        found = self.search(query_images=one)
        self.assertEqual((found.query_ids, found.index_ids[found.ranks[0, 0]]), ([one], "1.png"))
        finished = self.run_search(query_images=one, saved_model=self.saved_model)
        self.assertRegex(finished.stdout, "next: python -m delg.list_results --ranking=.*ranking.h5 ")

    def test_queries_are_features_or_images_with_a_model(self):
        self.add_photos()
        photos = self.folder / "photos"
        features, model = {"query_features": self.folder / "features"}, {"saved_model": self.saved_model}
        for given, message in (
                ({}, "Give `query_features` or `query_images`"),
                ({**features, **model, "query_images": photos}, "Give `query_features` or `query_images`"),
                ({"query_images": photos, "saved_model": ""}, "`query_images` must come with `saved_model`"),
                ({**features, **model}, "`query_images` must come with `saved_model`"),
                ({"query_images": photos / "*.gif"}, "`query_images` must match image files.*gif"),
                ({"query_images": photos, "saved_model": self.other_model},
                 "`saved_model` must be the model of `index_features`.*fingerprint")):
            with self.subTest(given=given):
                finished = self.run_search(**{**(model if "query_images" in given else {}), **given})
                self.assertEqual(finished.returncode, 1)
                self.assertRegex(finished.stderr, message)

    def test_queries_of_whitened_features_are_described_by_the_stage(self):
        with FeatureShardWriter(str(self.folder / "a.h5"), {"whitening": {}}, 3, 4):
            pass
        with self.assertRaisesRegex(ValueError, "`index_features` must not be whitened.*--whitening"):
            describe_queries("model", "photos", str(self.folder / "a.h5"), "queries.h5")

    def test_queries_of_translated_features_are_described_by_the_stage(self):
        with FeatureShardWriter(str(self.folder / "a.h5"), {"translator": "fingerprint"}, 3, 4):
            pass
        with self.assertRaisesRegex(ValueError, "`index_features` must not be translated.*--photometric"):
            describe_queries("model", "photos", str(self.folder / "a.h5"), "queries.h5")

    def add_photos(self):
        """Two photographs with features and an index, a model of them and another."""
        self.saved_model, self.other_model = self.folder / "saved_model", self.folder / "other"
        for threshold, path in ((1.0, self.saved_model), (2.0, self.other_model)):
            ExtractionModule(tiny_model(), RECEPTIVE_FIELD, attention_threshold=threshold).save(str(path))
        (self.folder / "photos").mkdir()
        for number in range(2):
            colour = (100 + 100 * number, 100, 0)
            (self.folder / f"photos/{number}.png").write_bytes(
                as_png(block_image(40, 48, (4, 12), (8, 20), colour)))
        for module, settings in (
                ("delg.extract_features", {
                    "saved_model": self.saved_model, "output_dir": self.folder / "features",
                    "images_dir": self.folder / "photos", "max_num_features": 9}),
                ("delg.build_index", {"features_dir": self.folder / "features",
                                      "index_dir": self.folder / "index"})):
            finished = scripts.run(module, **settings)
            self.assertEqual(finished.returncode, 0, finished.stderr)

    def run_search(self, **settings):
        return scripts.run("delg.search_images", index_features=self.folder / "features",
                           index_dir=self.folder / "index", output=self.folder / "ranking.h5", **settings)

    def search(self, **settings):
        finished = self.run_search(saved_model=self.saved_model, **settings)
        self.assertEqual(finished.returncode, 0, finished.stderr)
        return read_ranking(str(self.folder / "ranking.h5"))

    def test_errors_are_one_line(self):
        finished = scripts.run("delg.evaluate", ranking=self.folder / "no.h5", ground_truth="gnd.json",
                               output=self.folder / "metrics.json")
        self.assertNotEqual(finished.returncode, 0)
        self.assertRegex(finished.stderr.strip().splitlines()[-1], "`ranking` must be a file.*no.h5")
        self.assertNotIn("Traceback", finished.stderr)
        self.assertEqual(os.listdir(self.folder), [])


if __name__ == "__main__":
    unittest.main()
