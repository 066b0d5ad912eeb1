"""Tests of data_prep.world.landmark_world and tables."""

import dataclasses
import json
import os
import tempfile
import unittest

import cv2
import numpy as np
import pandas as pd

from data_prep.world import tables
from data_prep.world.config import WorldConfig
from data_prep.world.landmark_ground_truth import View
from data_prep.world.landmark_world import make_world

_TINY = {"seed": 3, "num_landmarks": 2, "views_per_landmark": 3, "image_size": 64, "siblings": 2,
         "num_eval_landmarks": 2, "eval_views_per_landmark": 3, "queries_per_landmark": 1,
         "num_distractors": 3, "num_workers": 1}


def _files(folder):
    found = {}
    for directory, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(directory, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, folder)] = file.read()
    return found


class MakeWorldTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.folder = os.path.join(cls.scratch.name, "world")
        make_world(WorldConfig(cls.folder, **_TINY))

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def read(self, name):
        with open(os.path.join(self.folder, "eval", name), encoding="utf-8") as file:
            return json.load(file)

    def test_two_workers_write_the_same_bytes(self):
        other = os.path.join(self.scratch.name, "parallel")
        make_world(WorldConfig(other, **{**_TINY, "num_workers": 2}))
        first, second = _files(self.folder), _files(other)
        self.assertEqual(first.keys(), second.keys())
        self.assertEqual([name for name in first if first[name] != second[name]], [])

    def test_training_tables_follow_gldv2(self):
        train = pd.read_csv(os.path.join(self.folder, "train.csv"))
        self.assertEqual(list(train.columns), ["id", "url", "landmark_id"])
        self.assertEqual(len(train), 6)
        for name in train["id"]:
            path = os.path.join(self.folder, "train", *name[:3], f"{name}.jpg")
            self.assertEqual(max(cv2.imread(path).shape), 64)
        clean = pd.read_csv(os.path.join(self.folder, "train_clean.csv"))
        self.assertEqual(list(clean.columns), ["landmark_id", "images"])
        self.assertLessEqual(set(" ".join(clean["images"]).split()), set(train["id"]))
        views = pd.read_csv(os.path.join(self.folder, "train_views.csv"))
        self.assertLessEqual(set(views["light"]), {"day", "dusk", "night"})

    def test_evaluation_set_has_the_revisited_form(self):
        truth, landmarks = self.read("gnd.json"), self.read("landmarks.json")["image_landmark"]
        self.assertEqual((len(truth["imlist"]), len(truth["qimlist"])), (2 * 3 + 3, 2))
        self.assertFalse(set(truth["imlist"]) & set(truth["qimlist"]))
        self.assertEqual(set(landmarks), {*truth["imlist"], *truth["qimlist"]})
        for query, entry in zip(truth["qimlist"], truth["gnd"]):
            rows = entry["easy"] + entry["hard"] + entry["junk"]
            self.assertEqual(len(rows), 3)  # every index view of the query's landmark, once
            self.assertEqual({landmarks[truth["imlist"][row]] for row in rows}, {landmarks[query]})
            x1, y1, x2, y2 = entry["bbx"]
            height, width = cv2.imread(os.path.join(self.folder, "eval", "jpg", f"{query}.jpg")).shape[:2]
            self.assertTrue(0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height)
            self.assertGreaterEqual(min(x2 - x1, y2 - y1), 32)

    def test_evaluation_landmarks_are_not_trained_on(self):
        train = pd.read_csv(os.path.join(self.folder, "train.csv"))
        evaluated = set(self.read("landmarks.json")["image_landmark"].values())
        self.assertEqual(evaluated, {2, 3, None})
        self.assertEqual(set(train["landmark_id"]), {0, 1})

    def test_views_and_homographies_name_every_image(self):
        views = pd.read_csv(os.path.join(self.folder, "eval", "views.csv"))
        matrices = self.read("homographies.json")
        self.assertEqual(set(views["image"]), set(matrices))
        for name, landmark in zip(views["image"], views["landmark"]):
            for matrix in matrices[name].values():
                self.assertEqual(np.shape(matrix), (3, 3))
            self.assertFalse(np.isnan(landmark) and matrices[name])

    def test_resumes_with_what_is_missing(self):
        before = _files(self.folder)
        views = [name for name in before if name.startswith("train" + os.sep)]
        broken = os.path.join(self.folder, views[0])
        with open(broken, "r+b") as file:
            file.truncate(100)
        untouched = os.path.join(self.folder, "eval", "jpg", self.read("gnd.json")["imlist"][0] + ".jpg")
        changed = os.stat(untouched).st_mtime_ns
        make_world(WorldConfig(self.folder, **_TINY))
        self.assertEqual(_files(self.folder), before)
        self.assertEqual(os.stat(untouched).st_mtime_ns, changed)

    def test_refuses_the_folder_of_another_world(self):
        with self.assertRaisesRegex(ValueError, "holds a world of other settings.*seed=3 there, 4 asked"):
            make_world(WorldConfig(self.folder, **{**_TINY, "seed": 4}))


class WorldConfigTest(unittest.TestCase):
    def test_refuses_numbers_out_of_range(self):
        for name, value, rule in (("seed", -1, "not be negative"), ("num_distractors", -1, "not be negative"),
                                  ("views_per_landmark", 0, "be at least 1"),
                                  ("image_size", 47, r"be in \[48, 2048\]"),
                                  ("image_size", 5000, r"be in \[48, 2048\]")):
            with self.assertRaisesRegex(ValueError, f"`{name}` must {rule}. .*: {name}={value}"):
                WorldConfig("folder", **{name: value})
        with self.assertRaisesRegex(ValueError, "`num_landmarks` or `num_eval_landmarks` must be above 0"):
            WorldConfig("folder", num_landmarks=0, num_eval_landmarks=0)


class TablesTest(unittest.TestCase):
    def test_ground_truth_by_hand(self):
        clear = View("day", 0.0, 1.0, (0, 0, 40, 40), 0.5, 20.0)
        views = {"clear": clear, "oblique": dataclasses.replace(clear, azimuth=60.0),
                 "hidden": dataclasses.replace(clear, visible_fraction=0.1)}
        index = [{"name": name, "landmark": landmark,
                  "view": dataclasses.asdict(views[view]) if view else None}
                 for name, landmark, view in (("a", 0, "oblique"), ("b", 1, "clear"), ("c", 0, "clear"),
                                              ("d", -1, None), ("e", 0, "hidden"))]
        query = {"name": "q", "landmark": 0, "view": dataclasses.asdict(clear)}
        self.assertEqual(tables.ground_truth([query], index), {
            "imlist": ["a", "b", "c", "d", "e"], "qimlist": ["q"],
            "gnd": [{"bbx": [0, 0, 40, 40], "easy": [2], "hard": [0], "junk": [4]}]})

    def test_each_landmark_has_its_own_place(self):
        places = tables.landmark_locations(30, seed=1)
        self.assertEqual(len(places[["latitude", "longitude"]].drop_duplicates()), 30)
        self.assertTrue(places["latitude"].between(48.1, 48.3).all())
        pd.testing.assert_frame_equal(places, tables.landmark_locations(30, seed=1))


if __name__ == "__main__":
    unittest.main()
