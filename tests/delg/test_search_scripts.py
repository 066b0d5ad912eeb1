"""build_index, search_images and evaluate as commands, one after the other, and how they fail."""

import json
import os
import pathlib
import shutil
import tempfile
import unittest

from tests.fixtures import planar_world, scripts


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

    def test_errors_are_one_line(self):
        finished = scripts.run("delg.evaluate", ranking=self.folder / "no.h5", ground_truth="gnd.json",
                               output=self.folder / "metrics.json")
        self.assertNotEqual(finished.returncode, 0)
        self.assertRegex(finished.stderr.strip().splitlines()[-1], "`ranking` must be a file.*no.h5")
        self.assertNotIn("Traceback", finished.stderr)
        self.assertEqual(os.listdir(self.folder), [])


if __name__ == "__main__":
    unittest.main()
