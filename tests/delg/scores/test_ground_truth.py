"""delg.scores.ground_truth: the same content from every kind of file."""

import json
import os
import pickle
import shutil
import tempfile
import unittest

import numpy as np
from scipy import io

from data_prep.records.manifest import Manifest, save_manifest
from delg.scores import ground_truth

CONTENT = {"imlist": ["a", "b", "c"], "qimlist": ["q", "r"],
           "gnd": [{"bbx": [1.0, 2.0, 30.0, 40.5], "easy": [0], "hard": [2], "junk": []},
                   {"bbx": [0.0, 0.0, 9.0, 9.0], "easy": [], "hard": [1, 0], "junk": [2]}]}


class LoadGroundTruthTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def assert_content(self, truth):
        self.assertEqual((truth.index_ids, truth.query_ids), (["a", "b", "c"], ["q", "r"]))
        for rows, expected in ((truth.easy, [[0], []]), (truth.hard, [[2], [1, 0]]), (truth.junk, [[], [2]])):
            self.assertEqual([row.tolist() for row in rows], expected)
            self.assertTrue(all(row.dtype == np.int64 for row in rows))
        np.testing.assert_array_equal(truth.boxes, [[1, 2, 30, 40.5], [0, 0, 9, 9]])

    def test_json(self):
        with open(self.path("gnd.json"), "w", encoding="utf-8") as file:
            json.dump(CONTENT, file)
        self.assert_content(ground_truth.load_ground_truth(self.path("gnd.json")))

    def test_pickle(self):
        with open(self.path("gnd.pkl"), "wb") as file:
            pickle.dump({**CONTENT, "gnd": [{key: np.array(value) for key, value in entry.items()}
                                            for entry in CONTENT["gnd"]]}, file)
        self.assert_content(ground_truth.load_ground_truth(self.path("gnd.pkl")))

    def test_mat_counts_from_one(self):
        gnd = np.zeros(2, [(name, object) for name in ("bbx", "easy", "hard", "junk")])
        for row, entry in enumerate(CONTENT["gnd"]):
            gnd[row] = (np.array(entry["bbx"]), *(np.array(entry[level], np.int64) + 1
                                                  for level in ("easy", "hard", "junk")))
        io.savemat(self.path("gnd.mat"), {"imlist": np.array(CONTENT["imlist"], object),
                                          "qimlist": np.array(CONTENT["qimlist"], object), "gnd": gnd})
        self.assert_content(ground_truth.load_ground_truth(self.path("gnd.mat")))

    def test_dataset(self):
        manifest = Manifest(path="", dataset="x", seed=0, num_classes=0, labels=(), splits={},
                            ground_truth=CONTENT)
        save_manifest(manifest, self.folder)
        self.assert_content(ground_truth.load_ground_truth(self.path("dataset.json")))
        self.assert_content(ground_truth.load_ground_truth(self.folder))

    def test_values_of_a_dataset_are_checked(self):
        entries = [{**CONTENT["gnd"][0], "easy": [0.5]}, *CONTENT["gnd"][1:]]
        save_manifest(Manifest(path="", dataset="x", seed=0, num_classes=0, labels=(), splits={},
                               ground_truth={**CONTENT, "gnd": entries}), self.folder)
        with self.assertRaisesRegex(ValueError, "query .* easy holds 0.5, which is not whole"):
            ground_truth.load_ground_truth(self.folder)

    def test_dataset_without_ground_truth_is_refused(self):
        manifest = Manifest(path="", dataset="x", seed=0, num_classes=0, labels=(), splits={})
        save_manifest(manifest, self.folder)
        with self.assertRaisesRegex(ValueError, "built without one"):
            ground_truth.load_ground_truth(self.folder)

    def test_dataset_of_another_task_is_refused(self):
        manifest = Manifest(path="", dataset="gldv2", seed=0, num_classes=0, labels=(), splits={},
                            ground_truth={"retrieval": {"Public": {}, "Private": {}}})
        save_manifest(manifest, self.folder)
        with self.assertRaisesRegex(ValueError, "of revisited form. Received: .* give it as `solution`"):
            ground_truth.load_ground_truth(self.folder)

    def test_missing_file_is_refused(self):
        with self.assertRaisesRegex(FileNotFoundError, "nothing.json"):
            ground_truth.load_ground_truth(self.path("nothing.json"))


if __name__ == "__main__":
    unittest.main()
