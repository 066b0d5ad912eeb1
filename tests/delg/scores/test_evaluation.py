"""delg.scores.evaluation: the table before and after verification, by hand."""

import dataclasses
import io
import json
import os
import shutil
import tempfile
import unittest

import numpy as np
import rich.console

from delg.scores import evaluation
from delg.scores.ground_truth import GroundTruth
from delg.scores.ranking import Ranking, write_ranking

TRUTH = {"imlist": ["a", "b", "c"], "qimlist": ["q", "r"],
         "gnd": [{"bbx": [0, 0, 9, 9], "easy": [0], "hard": [1], "junk": [2]},
                 {"bbx": [0, 0, 9, 9], "easy": [2], "hard": [], "junk": []}]}
RANKING = Ranking(  # by similarity: q: d c a b, r: d a b c; the index is not in the order of the ground truth
    query_ids=["r", "q"], index_ids=["d", "c", "b", "a"],
    ranks=np.array([[1, 0, 3, 2], [3, 2, 0, 1]], np.int32),
    similarities=np.array([[0.1, 0.9, 0.5, 0.4], [0.5, 0.4, 0.9, 0.8]], np.float32),
    num_inliers=np.array([[50, 3, 0, 0], [40, 20, 0, 0]], np.int32),
    transforms=np.full((2, 4, 3, 3), np.nan, np.float32), config={"seed": 0})


class EvaluateTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.ranking, self.truth = (os.path.join(self.folder, name) for name in ("ranking.h5", "gnd.json"))

    def evaluate(self, ranking=RANKING, truth=TRUTH):
        write_ranking(self.ranking, ranking)
        with open(self.truth, "w", encoding="utf-8") as file:
            json.dump(truth, file)
        return evaluation.evaluate(self.ranking, self.truth)

    def test_scores_by_hand(self):
        result = self.evaluate()
        # Global, easy: q without junk (c and, being hard, b): d a -> (0 + 1/2) / 2.
        # r: d a b c -> (0 + 1/4) / 2.
        self.assertAlmostEqual(result["global"]["easy"]["mAP"], 100 * (1 / 4 + 1 / 8) / 2)
        # Medium, q without c: d a b -> (0 + 1/2 + 1/2 + 2/3) / 4.
        self.assertAlmostEqual(result["global"]["medium"]["mAP"], 100 * (5 / 12 + 1 / 8) / 2, places=3)
        self.assertEqual(result["global"]["medium"]["mP@1"], 0)
        self.assertAlmostEqual(result["global"]["medium"]["mP@5"], 100 * (2 / 3 + 1 / 4) / 2, places=3)
        for protocol in ("easy", "medium", "hard"):
            self.assertEqual(result["verified"][protocol]["mAP"], 100)
        self.assertEqual(result["verified"]["hard"]["num_queries"], 1)
        self.assertAlmostEqual(result["gain"]["easy"]["mAP"], 100 - 100 * (1 / 4 + 1 / 8) / 2)
        self.assertEqual((result["num_queries"], result["config"]), (2, {"seed": 0}))

    def test_result_is_strict_json_and_a_table(self):
        truth = {**TRUTH, "gnd": [{**entry, "hard": []} for entry in TRUTH["gnd"]]}
        result = self.evaluate(truth=truth)
        self.assertIsNone(result["global"]["hard"]["mAP"])
        self.assertEqual(json.loads(json.dumps(result, allow_nan=False)), result)
        console = rich.console.Console(file=io.StringIO(), width=120)
        console.print(evaluation.table(result))
        for word in ("global", "geometry", "verified", "gain", "100.0", "mP@10", "–"):
            self.assertIn(word, console.file.getvalue())

    def test_nothing_verified(self):
        plain = dataclasses.replace(RANKING, transforms=np.zeros((2, 0, 3, 3), np.float32))
        result = self.evaluate(plain)
        self.assertEqual(sorted(result), ["before", "config", "global", "num_queries"])

    def test_every_kind_of_evidence_is_scored_alone(self):
        both = dataclasses.replace(RANKING, local_similarities=np.array(
            [[0.5, 0.1, 0.2, 0.3], [0.9, 0.1, 0.2, 0.3]], np.float32), config={"min_inliers": 10})
        result = self.evaluate(both)
        self.assertEqual(evaluation.stages(result), ["global", "asmk", "geometry", "global+asmk", "verified"])
        self.assertEqual(result["before"], "global+asmk")
        # Easy: q without c and b. global: d a; asmk: a d; sum: a; 0.5 + 4 * 0.95, d: 0.9 + 4 * 0.45.
        # r has c alone; global: d a b c; asmk: c first; geometry: c, the only one above the floor.
        for stage, expected in (("global", (1 / 4 + 1 / 8) / 2), ("asmk", 1), ("global+asmk", 1),
                                ("geometry", 1)):
            self.assertAlmostEqual(result[stage]["easy"]["mAP"], 100 * expected, msg=stage)
        asmk = self.evaluate(dataclasses.replace(both, config={**both.config, "evidence": "asmk,geometry"}))
        self.assertEqual((asmk["before"], evaluation.stages(asmk)),
                         ("asmk", ["global", "asmk", "geometry", "verified"]))
        self.assertEqual(asmk["global"], result["global"])

    def test_missing_index_images_are_named(self):
        with self.assertRaisesRegex(ValueError, r"every index image of .*gnd.json. Missing: e, f \(2 of 5\)"):
            self.evaluate(truth={**TRUTH, "imlist": ["a", "b", "c", "e", "f"]})

    def test_missing_queries_are_named(self):
        with self.assertRaisesRegex(ValueError, r"every query image of .*Missing: s \(1 of 3\)"):
            self.evaluate(truth={**TRUTH, "qimlist": ["q", "r", "s"], "gnd": TRUTH["gnd"] + TRUTH["gnd"][:1]})

    def test_unknown_queries_are_named(self):
        with self.assertRaisesRegex(ValueError, r"know every query of .*Missing: r \(1 of 2\)"):
            self.evaluate(truth={**TRUTH, "qimlist": ["q"], "gnd": TRUTH["gnd"][:1]})


class AlignTest(unittest.TestCase):
    def align(self, index_ids=("b", "a", "unused"), query_ids=("p", "q")):
        truth = GroundTruth(index_ids=list(index_ids), query_ids=list(query_ids),
                            easy=[np.array([0]), np.array([1])], hard=[np.array([], int)] * 2,
                            junk=[np.array([], int)] * 2, boxes=np.array([[0, 0, 1, 1], [2, 2, 3, 3]]))
        ranking = Ranking(["q"], ["a", "b"], np.array([[0, 1]]), np.ones((1, 2)), np.full((1, 2), -1),
                          np.zeros((1, 0, 3, 3)), {})
        return evaluation.align(truth, ranking, "ranking.h5", "gnd.json")

    def test_moves_rows_into_the_order_of_the_ranking(self):
        aligned = self.align()
        self.assertEqual([rows.tolist() for rows in aligned.easy], [[0]])
        self.assertEqual(aligned.boxes.tolist(), [[2, 2, 3, 3]])

    def test_refuses_a_query_of_another_set(self):
        with self.assertRaisesRegex(ValueError, r"gnd.json must know every query of ranking.h5. "
                                                r"Missing: q \(1 of 1\)"):
            self.align(query_ids=("p", "other"))

    def test_refuses_judged_images_that_the_index_lacks(self):
        with self.assertRaisesRegex(ValueError, r"index image judged by gnd.json. Missing: gone \(1 of 1\)"):
            self.align(index_ids=("b", "gone", "unused"))


if __name__ == "__main__":
    unittest.main()
