"""delg.scores.gldv2.scores: scores of small tables and rankings, worked out by hand."""

import io
import json
import os
import tempfile
import unittest

import numpy as np
import rich.console

from data_prep.records.manifest import Manifest, save_manifest
from delg.scores import ranking
from delg.scores.gldv2 import scores
from delg.scores.ranking import Ranking

RECOGNITION = "id,landmarks,Usage\na,1 2,Public\nb,,Public\nc,3,Private\nd,4,Ignored\n"
RETRIEVAL = "id,images,Usage\na,x y,Public\nb,z,Private\n"


class ScoresTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def dataset(self, ground_truth):
        save_manifest(Manifest("", "gldv2", 0, 0, (), {}, ground_truth=ground_truth), self.folder)
        return self.folder


class PredictionsTest(ScoresTest):
    def score(self, solution, predictions):
        return scores.score_predictions(self.write("solution.csv", solution),
                                              self.write("mine.csv", predictions))

    def test_recognition_by_hand(self):  # public: b, wrong, is surer than a, right: (1 / 2) / 1
        result = self.score(RECOGNITION, "id,landmarks\na,2 0.5 \nb,7 0.9\n\nc,\nd,9 1.0\n")
        self.assertEqual(result["Public"], {"µAP": 50, "µAP, images with a landmark only": 100,
                                            "top-1 accuracy": 100})
        self.assertEqual(result["Private"]["µAP"], 0)

    def test_recognition_of_landmarks_with_names(self):
        solution = "id,landmarks,Usage\na,arch,Public\nb,007 dome,Public\n"
        result = self.score(solution, "id,landmarks\na,arch 0.5\nb,7 0.9\n")
        self.assertEqual(result["Public"]["top-1 accuracy"], 50)

    def test_retrieval_by_hand(self):  # (1 + 2/3) / 2
        result = self.score(RETRIEVAL, "id,images\na,x q y\n")
        self.assertAlmostEqual(result["Public"]["mAP@100"], 100 * 5 / 6)
        self.assertAlmostEqual(result["Public"]["mP@5"], 40)
        self.assertEqual(result["Private"]["mean place of the first correct"], 101)

    def test_solution_in_dataset_json_knows_only_the_judged(self):
        folder = self.dataset({"recognition": {"Public": {"a": [2]}, "Private": {}}})
        mine = self.write("mine.csv", "id,landmarks\nother,7 0.9\na,2 0.5\n")
        self.assertEqual(scores.score_predictions(folder, mine)["Public"]["µAP"], 100)
        mine = self.write("mine.csv", "id,landmarks\nother,7 0.9\n")
        with self.assertRaisesRegex(ValueError, "'other' in line 2 .1 of 1."):
            scores.score_predictions(folder, mine)

    def test_nothing_to_judge_is_none(self):
        result = self.score("id,landmarks,Usage\nb,,Public\n", "id,landmarks\nb,7 0.9\n")
        self.assertIsNone(result["Public"]["µAP"])
        self.assertEqual(json.loads(json.dumps(result, allow_nan=False)), result)

    def test_what_is_refused(self):
        for solution, predictions, message in (
                (RETRIEVAL, "id,images\na,x\nq,x\n", "mine.csv must be in .*solution.csv. .*'q' in line 3"),
                (RETRIEVAL, "id,images\na,x\nq,\n", "mine.csv must be in .*solution.csv. .*'q' in line 3"),
                (RETRIEVAL, "id,landmarks\na,1 1\n", "solution.csv must be a recognition solution"),
                (RECOGNITION, "id,landmarks\na,1\n", "mine.csv, line 2, must be .landmark score")):
            with self.subTest(predictions), self.assertRaisesRegex(ValueError, message):
                self.score(solution, predictions)


class RankingTest(ScoresTest):
    def write_ranking(self, num_verified):
        ranks, similarities = np.array([[1, 0], [0, 1]]), np.array([[.5, .9], [.9, .5]])
        ranking.write_ranking(self.path("ranking.h5"), Ranking(
            ["a", "b"], ["x", "y"], ranks, similarities, np.full((2, 2), 20 if num_verified else -1),
            np.zeros((2, num_verified, 3, 3)), {"seed": 0}))
        return self.path("ranking.h5")

    def test_before_and_after_verification(self):  # y is right; verification brought it to the front for a
        solution = self.write("solution.csv", "id,images,Usage\na,y,Public\nb,x,Private\n")
        result = scores.score_ranking(solution, self.write_ranking(2))
        self.assertEqual(result["global"]["Public"]["mAP@100"], 50)
        self.assertEqual(result["verified"]["Public"]["mAP@100"], 100)
        self.assertEqual(result["global"]["Private"]["mAP@100"], 100)
        self.assertEqual(result["config"], {"seed": 0})

    def test_nothing_verified(self):
        folder = self.dataset({"retrieval": {"Public": {"a": ["y"]}, "Private": {}}})
        result = scores.score_ranking(folder, self.write_ranking(0))
        self.assertEqual(set(result), {"global", "config"})

    def test_unknown_query_is_refused(self):
        solution = self.write("solution.csv", "id,images,Usage\na,y,Public\n")
        with self.assertRaisesRegex(ValueError, "ranking.h5 must be in .*solution.csv. .*'b' .1 of 2."):
            scores.score_ranking(solution, self.write_ranking(0))


class TableTest(unittest.TestCase):
    def text(self, result):
        console = rich.console.Console(width=120, file=io.StringIO())
        console.print(scores.table(result))
        return console.file.getvalue()

    def test_a_column_for_each_part(self):
        text = self.text({"Public": {"µAP": 12.346}, "Private": {"µAP": None}})
        self.assertRegex(text, r"Public.*Private")
        self.assertRegex(text, r"µAP.*12\.35.*–")

    def test_a_column_for_each_stage(self):
        text = self.text({"global": {"Public": {"mAP@100": 1.0}}, "verified": {"Public": {"mAP@100": 2.0}},
                          "config": {"seed": 0}})
        self.assertRegex(text, r"global, Public.*verified, Public")
        self.assertRegex(text, r"mAP@100.*1\.00.*2\.00")


if __name__ == "__main__":
    unittest.main()
