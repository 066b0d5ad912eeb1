"""delg.gldv2_tables: small tables by hand, and what is wrong with others."""

import os
import shutil
import tempfile
import unittest

from delg import gldv2_tables

RECOGNITION = "id,landmarks,Usage\na,1 2,Public\nb,,Public\nc,3,Private\nd,4,Ignored\n"
RETRIEVAL = "id,images,Usage\na,x y,Public\nb,z,Private\n"


class EvaluateTablesTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def evaluate(self, solution, predictions):
        paths = []
        for name, text in (("solution.csv", solution), ("mine.csv", predictions)):
            paths.append(os.path.join(self.folder, name))
            with open(paths[-1], "w", encoding="utf-8") as file:
                file.write(text)
        return gldv2_tables.evaluate_tables(*paths)

    def test_recognition_by_hand(self):  # public: b, wrong, is surer than a, right: (1 / 2) / 1
        result = self.evaluate(RECOGNITION, "id,landmarks\na,2 0.5 \nb,7 0.9\n\nc,\nd,9 1.0\n")
        self.assertEqual(result["Public"], {"µAP": 50, "µAP, images with a landmark only": 100,
                                            "top-1 accuracy": 100})
        self.assertEqual(result["Private"]["µAP"], 0)

    def test_retrieval_by_hand(self):  # (1 + 2/3) / 2
        result = self.evaluate(RETRIEVAL, "id,images\na,x q y\n")
        self.assertAlmostEqual(result["Public"]["mAP@100"], 100 * 5 / 6)
        self.assertAlmostEqual(result["Public"]["mP@5"], 40)
        self.assertEqual(result["Private"]["mean place of the first correct"], 101)

    def test_what_is_refused(self):
        for solution, predictions, message in (
                ("id,Usage\na,Public\n", "id,x\n", "solution.csv must have a column `landmarks` or `images`"),
                ("id,images\na,x\n", "id,x\n", "must have the column `Usage`"),
                ("id,images,Usage\na,x,Secret\n", "id,x\n", "Received: 'Secret'"),
                (RETRIEVAL, "id,images\na,x\na,y\n", "must occur once. Received: 'a' again"),
                (RETRIEVAL, "id,images\nq,x\n", "must be in the solution. Received: 'q'"),
                (RETRIEVAL, "id\na\n", "must have a second column"),
                (RETRIEVAL, "", "mine.csv must be a CSV table"),
                (RECOGNITION, "id,landmarks\na,1\n", "prediction of 'a' in .* must be .landmark score")):
            with self.assertRaisesRegex(ValueError, message):
                self.evaluate(solution, predictions)


if __name__ == "__main__":
    unittest.main()
