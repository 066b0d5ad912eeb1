"""delg.recognition.labels: every source of landmarks, and what is wrong with others."""

import os
import tempfile
import unittest

from data_prep.records import shards
from data_prep.records.manifest import Manifest, Split, save_manifest
from delg.recognition import labels as recognition_labels
from tests.fixtures.datasets import encode

TABLE = "id,url,landmark_id\na,u,7\nb,u,5\nc,u,7\nd,u,9\n"


class ReadLandmarksTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def write_shards(self, labels, folder="."):
        folder = os.path.join(self.folder, folder)
        os.makedirs(folder, exist_ok=True)
        splits = {}
        for split, images in (("train", [("a", 1), ("b", 0), ("x", None)]), ("heldout", [("c", 2)])):
            shard = shards.write_shard(os.path.join(folder, shards.shard_name(split, 0, 1)),
                                       [encode(image, label) for image, label in images])
            splits[split] = Split(len(images), 2, None, (shard,))
        save_manifest(Manifest("", "gldv2", 0, 2, labels, splits), folder)
        return os.path.join(folder, "*-00000-of-00001")

    def test_training_table(self):
        landmarks = recognition_labels.read_landmarks(["c", "b"], train_csv=self.write("train.csv", TABLE))
        self.assertEqual(landmarks.tolist(), [7, 5])

    def test_clean_table(self):
        path = self.write("clean.csv", "landmark_id,images\n7,a c\n5,b\n")
        landmarks = recognition_labels.read_landmarks(["c", "b"], train_clean_csv=path)
        self.assertEqual(landmarks.tolist(), [7, 5])

    def test_shards_of_several_splits(self):
        landmarks = recognition_labels.read_landmarks(["c", "b", "a"],
                                                   train_shards=self.write_shards((5, 7, "9")))
        self.assertEqual(landmarks.tolist(), [9, 5, 7])

    def test_shards_of_classes_with_names(self):
        for labels, expected in ((("five", "7", "nine"), ["nine", "five", "7", -1]),
                                 (("5", "05", "9"), ["9", "5", "05", -1])):  # two classes, not one
            landmarks = recognition_labels.read_landmarks(
                ["c", "b", "a", "x"], train_shards=self.write_shards(labels, labels[0]),
                no_landmark_list=self.write("none.txt", "x\n"))
            self.assertEqual(landmarks.tolist(), expected)

    def test_listed_images_show_no_landmark(self):
        table = self.write("train.csv", TABLE)
        for text in ("x\n\nb\n", "id,note\nx,1\nb,2\n"):
            landmarks = recognition_labels.read_landmarks(["c", "x", "b"], table,
                                                       no_landmark_list=self.write("none.txt", text))
            self.assertEqual(landmarks.tolist(), [7, -1, -1])

    def test_some_listed_images_may_be_elsewhere(self):
        with self.assertLogs("absl", "WARNING") as logs:
            recognition_labels.read_landmarks(["c", "x"], self.write("train.csv", TABLE),
                                           no_landmark_list=self.write("none.txt", "x\ny\n"))
        self.assertRegex(logs.output[0], "1 of the 2 ids of .*none.txt are not in the index")

    def test_a_list_with_quotes_is_a_table_too(self):
        found = recognition_labels.read_landmarks(["c", "a"], self.write("train.csv", TABLE),
                                               no_landmark_list=self.write("q.csv", '"id","x"\n"a","1"\n'))
        self.assertEqual(found.tolist(), [7, recognition_labels.NO_LANDMARK])

    def test_what_is_refused(self):
        table = self.write("train.csv", TABLE)
        for settings, error, message in (
                ({}, ValueError, "one of train_csv, .* Received: none of them"),
                ({"train_csv": table, "train_shards": "x"}, ValueError, "Received: train_csv, train_shards"),
                ({"train_csv": "no.csv"}, FileNotFoundError, "No such file or directory: .no.csv"),
                ({"train_clean_csv": self.write("blank.csv", "landmark_id,images\n5,\n")}, ValueError,
                 "blank.csv must have a landmark .*none for 'a' .2 of 2."),
                ({"train_csv": table}, ValueError, "train.csv must have a landmark .*none for 'x' .1 of 2."),
                ({"train_csv": self.write("twice.csv", TABLE + "a,u,1\n")}, ValueError, "'a' again"),
                ({"train_csv": table, "no_landmark_list": self.write("none.txt", "q\n")}, ValueError,
                 "none.txt must name images .* 1 ids, none of them"),
                ({"train_shards": self.write_shards((5,), "few")}, ValueError,
                 "must be below 1, .*for image c")):
            with self.subTest(message), self.assertRaisesRegex(error, message):
                recognition_labels.read_landmarks(["a", "x"], **settings)

    def test_shards_without_labels_are_refused(self):
        shard = shards.write_shard(os.path.join(self.folder, "test-00000-of-00001"), [encode("a", None)])
        save_manifest(Manifest("", "gldv2", 0, 0, (), {"test": Split(1, 0, None, (shard,))}), self.folder)
        with self.assertRaisesRegex(ValueError, "must hold labelled images"):
            recognition_labels.read_landmarks(["a"], train_shards=os.path.join(self.folder, "test-*"))


if __name__ == "__main__":
    unittest.main()
