"""delg.scores.gldv2.tables: what competitors write is read, ours is exact, and errors name file and line."""

import os
import tempfile
import unittest

from data_prep.records.manifest import Manifest, save_manifest
from delg.scores.gldv2 import tables
from delg.scores.gldv2.tables import Cell


class TablesTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def write(self, name, text, encoding="utf-8"):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding=encoding, newline="") as file:
            file.write(text)
        return path

    def dataset(self, ground_truth):
        save_manifest(Manifest("", "gldv2", 0, 0, (), {}, ground_truth=ground_truth), self.folder)
        return self.folder


class SolutionTest(TablesTest):
    def read(self, text, task=None):
        return tables.read_solution(self.write("solution.csv", text), task)

    def test_recognition(self):
        solution = self.read("id,landmarks,Usage\na,1 2,Public\nb,,Public\nc,3,Private\nd,4,Ignored\n")
        self.assertEqual(solution.task, "recognition")
        self.assertEqual(solution.parts, {"Public": {"a": {1, 2}, "b": set()}, "Private": {"c": {3}}})
        self.assertEqual(solution.ignored, {"d"})

    def test_retrieval_without_private_part(self):
        solution = self.read("id,images,Usage\na,x y,Public\n")
        self.assertEqual((solution.task, solution.parts), ("retrieval", {"Public": {"a": {"x", "y"}}}))

    def test_dataset_json(self):
        folder = self.dataset({"recognition": {"Public": {"a": [1, 2], "b": []}, "Private": {}},
                               "retrieval": {"Public": {"a": ["x"]}, "Private": {"b": []}}})
        for path in (folder, os.path.join(folder, "dataset.json")):
            solution = tables.read_solution(path, "recognition")
            self.assertEqual(solution.parts, {"Public": {"a": {1, 2}, "b": set()}})
            self.assertIsNone(solution.ignored)
        self.assertEqual(tables.read_solution(folder, "retrieval").parts["Public"], {"a": {"x"}})
        with self.assertRaisesRegex(ValueError, "must say which is meant.*Received: recognition, retrieval"):
            tables.read_solution(folder)

    def test_dataset_json_without_solution_is_refused(self):
        with self.assertRaisesRegex(ValueError, "must hold a retrieval solution.*built without one"):
            tables.read_solution(self.dataset(None), "retrieval")

    def test_what_is_refused(self):
        for text, message in (
                ("id,Usage\na,Public\n", "solution.csv must have the columns .*Received: id, usage"),
                ("id,images\na,x\n", "must have the columns `id`, `Usage` and either"),
                ("id,images,Usage\na,x,Secret\n", "solution.csv, line 2, must be Public, .*'Secret'"),
                ("id,landmarks,Usage\na,1,Public\nb,x1,Public\n",
                 "solution.csv, line 3, must be whole numbers.*'x1'"),
                ("id,images,Usage\na,x,Public\na,x,Public\n", "'a' in lines 2 and 3"),
                ("a,x,Public\n", "solution.csv must have the columns id, each once. Received: a, x, public"),
                ("", "must have the columns id, each once. Received: no rows")):
            with self.subTest(text), self.assertRaisesRegex(ValueError, message):
                self.read(text)
        with self.assertRaisesRegex(ValueError, "must be a retrieval solution, with a column `images`"):
            self.read("id,landmarks,Usage\na,1,Public\n", "retrieval")
        with self.assertRaisesRegex(FileNotFoundError, "No such file .*nothing.csv"):
            tables.read_solution(os.path.join(self.folder, "nothing.csv"))


class PredictionsTest(TablesTest):
    def read(self, text, encoding="utf-8"):
        return tables.read_predictions(self.write("mine.csv", text, encoding))

    def test_what_competitors_write(self):
        for text in ("id,landmarks\na,1 0.5\nb,\n", "\ufeffid,landmarks\r\na,1 0.5\r\nb\r\n",
                     "\n id , landmarks ,,\n\"a\", 1 0.5 ,\n\n , \nb,  \n", "id;landmarks\na;1 0.5\nb;\n",
                     "Id\tLandmarks\na\t1 0.5\nb\t\n", "landmarks,id\n1 0.5,a\n,b\n",
                     "id,landmarks,note\na,1 0.5,\"x, y\"\nb,,\n"):
            with self.subTest(text):
                table = self.read(text)
                self.assertEqual(table.task, "recognition")
                self.assertEqual({image: cell.text for image, cell in table.cells.items()}, {"a": "1 0.5"})
                self.assertEqual(list(table.empty), ["b"])

    def test_lines_are_those_of_the_file(self):
        table = self.read("id,images\n\na,x\nb,\n")
        self.assertEqual((table.cells["a"].line, table.empty["b"]), (3, 4))

    def test_second_column_of_another_name(self):
        table = self.read("id,landmark\na,1 0.5\n")
        self.assertEqual((table.task, table.cells), (None, {"a": Cell(2, "1 0.5")}))

    def test_what_is_refused(self):
        for text, encoding, message in (
                ("id,images\na,x\nb,y\na,z\n", "utf-8", "mine.csv must occur once. .*'a' in lines 2 and 4"),
                ("id\na\n", "utf-8", "mine.csv must have a second column"),
                ("id,images\na,x,y\n", "utf-8", "mine.csv, line 2, must have 2 cells .* Received: 3"),
                ("id,images\na,\"x\n", "utf-8", "mine.csv, line 2, must be cells that end"),
                ("id,images\na,\xe9\n", "latin-1", "mine.csv must be UTF-8 text, .* Received: line 2: ")):
            with self.subTest(text), self.assertRaisesRegex(ValueError, message):
                self.read(text, encoding)


class ParseRecognitionTest(unittest.TestCase):
    def test_landmark_and_score(self):
        for text, expected in (("12 0.5", (12, 0.5)), ("12.0  -1e-3", (12, -1e-3)), ("12\t1", (12, 1.0))):
            self.assertEqual(tables.parse_recognition(Cell(2, text), "mine.csv"), expected)

    def test_landmarks_with_names(self):
        for text, expected in (("Big Ben 0.5", ("Big Ben", 0.5)), ("007 1", ("007", 1.0))):
            self.assertEqual(tables.parse_recognition(Cell(2, text), "mine.csv", "tower"), expected)

    def test_anything_else_is_refused(self):
        for text in ("12", "12 high", "12 nan", "12 inf"):
            with self.subTest(text), self.assertRaisesRegex(ValueError, "mine.csv, line 7, must be \"land"):
                tables.parse_recognition(Cell(7, text), "mine.csv")
        for text in ("tower 0.5", "1.5 0.5", "inf 0.5", "12 0.5 13 0.4"):
            with self.subTest(text), self.assertRaisesRegex(ValueError, "mine.csv, line 7, must be whole"):
                tables.parse_recognition(Cell(7, text), "mine.csv")


class WriteTest(TablesTest):
    def content(self, path):
        with open(path, "rb") as file:
            return file.read()

    def test_recognition(self):
        path = os.path.join(self.folder, "out.csv")
        tables.write_recognition(path, {"b": (12, 1.25), "a": None, "c": (3, 1 / 3)})
        self.assertEqual(self.content(path), b"id,landmarks\nb,12 1.25\na,\nc,3 0.333333333\n")
        self.assertEqual(os.listdir(self.folder), ["out.csv"])

    def test_retrieval(self):
        path = os.path.join(self.folder, "out.csv")
        tables.write_retrieval(path, {"b": ["x", "y"], "a": []})
        self.assertEqual(self.content(path), b"id,images\nb,x y\na,\n")
        with self.assertRaisesRegex(ValueError, "words without white space.*among the results of 'c'"):
            tables.write_retrieval(path, {"b": ["x"], "c": ["x", "y z"]})
        self.assertEqual(self.content(path), b"id,images\nb,x y\na,\n")


if __name__ == "__main__":
    unittest.main()
