"""Recognition and retrieval on a tiny set of the form of Google Landmarks, from images to scores."""

import dataclasses
import json
import os
import pathlib
import tempfile
import unittest

import cv2
import numpy as np
from absl import logging

from data_prep.building import building
from data_prep.building.config import BuildConfig
from data_prep.stage.jobs import JobConfig
from delg.exports.extraction_module import ExtractionModule
from delg.features import extraction
from delg.index import building as index_building
from delg.recognition import labels, predictions
from delg.scores.gldv2 import scores as gldv2_scores
from delg.scores.gldv2 import tables
from delg.scores.ranking import Ranking
from delg.search import retrieval
from delg.settings.extraction import ExtractConfig
from delg.settings.recognition import VoteConfig
from delg.settings.search import SearchConfig
from tests.fixtures import scripts
from tests.fixtures.tiny_extraction import RECEPTIVE_FIELD, tiny_model

CELLS = 20  # of a landmark's facade, each of a random colour; an image shows most of them
TINTS = {7: (255, 120, 60), 5: (60, 255, 120), None: (60, 120, 255)}
TABLES = {
    "train_csv": "id,url,landmark_id\ntrn1,u,7\ntrn2,u,5\ntrn3,u,7\n",
    "index_csv": "id\nidx1\nidx2\nidx3\n",
    "index_labels_csv": "id,landmark_id\nidx1,5\nidx2,7\nidx3,7\n",
    "test_csv": "id\ntst3\ntst1\ntst2\n",
    "recognition_solution_csv": "id,landmarks,Usage\ntst1,7,Public\ntst2,5,Private\ntst3,,Private\n",
    "retrieval_solution_csv": "id,images,Usage\ntst1,idx2 idx3,Public\ntst2,idx1,Private\ntst3,,Ignored\n"}
SHOWN = {"trn1": 7, "trn2": 5, "trn3": 7, "idx1": 5, "idx2": 7, "idx3": 7, "tst1": 7, "tst2": 5, "tst3": None}


def write_images(folder):
    """A view of the landmark for each image: its facade moved by some cells."""
    generator = np.random.default_rng(0)
    facades = {name: generator.uniform(0.2, 1, (CELLS, CELLS, 3)) * tint for name, tint in TINTS.items()}
    for number, (image_id, landmark) in enumerate(SHOWN.items()):
        path = os.path.join(folder, image_id[0], image_id[1], image_id[2], f"{image_id}.jpg")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        top, left = number % 3, number // 3
        view = facades[landmark][top:top + CELLS - 3, left:left + CELLS - 3, ::-1]
        view = np.uint8(view).repeat(4, axis=0).repeat(4, axis=1)
        cv2.imwrite(path, view, [cv2.IMWRITE_JPEG_QUALITY, 100, cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
                                 cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444])


class ChainTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        cls.addClassCleanup(logging.set_verbosity, logging.get_verbosity())
        logging.set_verbosity(logging.ERROR)
        write_images(cls.path("images"))
        for name, text in TABLES.items():
            pathlib.Path(cls.path(name)).write_text(text, encoding="utf-8")
        for part, names in (("train", ["train_csv"]), ("index", ["index_csv", "index_labels_csv"]),
                            ("test", ["test_csv", "index_csv", "recognition_solution_csv",
                                      "retrieval_solution_csv"])):
            building.build(BuildConfig("gldv2", cls.path("images"), cls.path(part), num_shards=1, part=part,
                                       validation_fraction=0, **{name: cls.path(name) for name in names}),
                           JobConfig(num_workers=1))
        ExtractionModule(tiny_model(), RECEPTIVE_FIELD, attention_threshold=0.0).save(cls.path("model"))
        config = ExtractConfig(global_scales=(1.0,), local_scales=(1.0,))
        for part in ("train", "index", "test"):
            extraction.extract_features(cls.path("model"), cls.path(part, f"{part}-*"), cls.path("features"),
                                        config)
        for part in ("train", "index"):
            index_building.build_index(cls.path("features", f"{part}-*"), cls.path(f"{part}_index"))
            retrieval.search(cls.path("features", "test-*"), cls.path("features", f"{part}-*"),
                             cls.path(f"{part}_index"), cls.path(f"{part}_ranking.h5"),
                             SearchConfig(min_inliers=15))

    @classmethod
    def path(cls, *names):
        return os.path.join(cls.folder, *names)

    def run_script(self, module, **flags):
        finished = scripts.run(module, **flags)
        self.assertEqual(finished.returncode, 0, finished.stderr)
        return finished.stdout

    def test_recognition(self):
        stdout = self.run_script("delg.recognize_landmarks", ranking=self.path("train_ranking.h5"),
                                 train_csv=self.path("train_csv"), test_csv=self.path("test_csv"),
                                 num_voters=2, output=self.path("recognition.csv"))
        self.assertIn("A landmark for 3 of 3 test images", stdout)
        table = tables.read_predictions(self.path("recognition.csv"))
        self.assertEqual(list(table.cells), ["tst3", "tst1", "tst2"])  # as test.csv
        found = {image: tables.parse_recognition(cell, "") for image, cell in table.cells.items()}
        self.assertEqual((found["tst1"][0], found["tst2"][0]), (7, 5))
        self.assertGreater(found["tst1"][1], found["tst2"][1])  # two images show landmark 7, one shows 5
        self.assertGreater(found["tst2"][1], found["tst3"][1])  # nothing to verify there
        stdout = self.run_script("delg.evaluate", predictions=self.path("recognition.csv"),
                                 solution=self.path("test"), output=self.path("scores.json"))
        self.assertRegex(stdout, "Public.*Private")
        with open(self.path("scores.json"), encoding="utf-8") as file:
            scores = json.load(file)
        self.assertEqual(scores, gldv2_scores.score_predictions(self.path("recognition_solution_csv"),
                                                                self.path("recognition.csv")))
        for part in ("Public", "Private"):
            self.assertEqual(scores[part]["µAP"], 100)

    def test_retrieval(self):
        stdout = self.run_script("delg.list_results", ranking=self.path("index_ranking.h5"), num_results=2,
                                 output=self.path("retrieval.csv"))
        self.assertIn("Results of 3 test images", stdout)
        table = tables.read_predictions(self.path("retrieval.csv"))
        self.assertEqual(set(table.cells["tst1"].text.split()), {"idx2", "idx3"})
        self.assertEqual(table.cells["tst2"].text.split()[0], "idx1")
        for solution in (self.path("test"), self.path("retrieval_solution_csv")):
            scores = gldv2_scores.score_predictions(solution, self.path("retrieval.csv"))
            self.assertEqual([scores[part]["mAP@100"] for part in ("Public", "Private")], [100, 100])
        self.run_script("delg.evaluate", ranking=self.path("index_ranking.h5"),
                        solution=self.path("retrieval_solution_csv"), output=self.path("scores.json"))
        with open(self.path("scores.json"), encoding="utf-8") as file:
            self.assertEqual(json.load(file)["verified"], scores)

    def test_landmarks_come_from_the_shards_too(self):
        for part, ids in (("train", ["trn2", "trn1"]), ("index", ["idx1", "idx3"])):
            landmarks = labels.read_landmarks(ids, train_shards=self.path(part, f"{part}-*"))
            self.assertEqual(landmarks.tolist(), [5, 7])

    def test_says_how_many_are_right_where_the_test_images_have_landmarks(self):
        features, output = self.path("features", "train-*"), self.path("own_ranking.h5")
        retrieval.search(features, features, self.path("train_index"), output, SearchConfig(min_inliers=15))
        shards = self.path("train", "train-*")
        stdout = self.run_script("delg.recognize_landmarks", ranking=output, train_shards=shards,
                                 test_shards=shards, num_voters=1, output=self.path("own.csv"))
        # Two images show one landmark, the third is alone: nothing else shows what it does.
        self.assertIn("Of 3 test images 66.7% have the right landmark (top-1); µAP 66.7%.", stdout)

    def test_a_wrong_choice_of_flags_is_one_line(self):
        finished = scripts.run("delg.evaluate", ranking=self.path("train_ranking.h5"), output="x.json")
        self.assertNotEqual(finished.returncode, 0)
        self.assertRegex(finished.stderr.strip().splitlines()[-1],
                         "Give --ranking and --ground_truth, .* Received: ranking")
        self.assertNotIn("Traceback", finished.stderr)


class RecognizeTest(unittest.TestCase):
    ranking = Ranking(["a", "b"], ["x", "y", "z"], np.array([[0, 1], [1, 2]]), np.array([[.9, .8], [.9, .8]]),
                      np.array([[3, 40], [-1, -1]]), np.zeros((2, 0, 3, 3)), {"min_inliers": 10})

    def test_inliers_above_the_floor_decide(self):  # 0.9 against 0.8 + 40 / 70
        found = predictions.recognize(self.ranking, np.array([1, 2, 3]), VoteConfig(num_voters=1))
        self.assertEqual({image: landmark for image, (landmark, _) in found.items()}, {"a": 2, "b": 2})
        self.assertAlmostEqual(found["a"][1], 0.8 + 40 / 70)

    def test_landmarks_may_have_names(self):
        for second, expected in (("Big Ben", ("Big Ben", 1.7)), (-1, None)):
            found = predictions.recognize(self.ranking, np.array(["arch", second, "Big Ben"], object),
                                          VoteConfig(num_voters=2))
            self.assertEqual(found["b"] and (found["b"][0], round(found["b"][1], 6)), expected)

    def test_rejected_image_has_no_prediction(self):
        found = predictions.recognize(self.ranking, np.array([1, -1, 3]), VoteConfig(num_voters=2))
        self.assertEqual(found, {"a": None, "b": None})

    def test_a_query_among_the_images_has_no_vote_on_itself(self):
        ranking = dataclasses.replace(self.ranking, index_ids=["x", "b", "z"])
        found = predictions.recognize(ranking, np.array([1, 2, 3]), VoteConfig(num_voters=1))
        self.assertEqual(found["b"][0], 3)

    def test_too_few_neighbours_are_told(self):
        with self.assertLogs("absl", "WARNING") as logs:
            predictions.recognize(self.ranking, np.array([1, 2, 3]), VoteConfig(num_voters=3))
        self.assertRegex(logs.output[0], "3 neighbours are asked to vote, but the ranking has 2")


class ForAllTestImagesTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.test_csv = os.path.join(folder.name, "test.csv")
        pathlib.Path(self.test_csv).write_text("id\nb\na\n", encoding="utf-8")

    def test_order_of_the_table_and_blanks(self):
        found = predictions.for_all_test_images({"a": (1, 0.5)}, self.test_csv, None)
        self.assertEqual(list(found.items()), [("b", None), ("a", (1, 0.5))])

    def test_unknown_query_is_refused(self):
        with self.assertRaisesRegex(ValueError, "test.csv must list every query .*none for 'q' .1 of 2."):
            predictions.for_all_test_images({"a": None, "q": None}, self.test_csv, None)


if __name__ == "__main__":
    unittest.main()
