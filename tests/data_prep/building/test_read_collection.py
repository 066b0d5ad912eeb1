"""Settings lead to the source they name, and to the tables it reads."""

import json
import unittest

from data_prep.building.config import BuildConfig
from data_prep.building.read_collection import read_collection, source_files
from tests.fixtures import published_sets
from tests.fixtures.temporary_files import FilesTest


class ReadCollectionTest(FilesTest):
    def config(self, dataset, **settings) -> BuildConfig:
        return BuildConfig(dataset, self.directory, "out", **settings)

    def splits(self, dataset, **settings) -> dict:
        collection = read_collection(self.config(dataset, **settings))
        return {split.name: list(split.ids) for split in collection.splits}

    def test_parts_of_gldv2(self):
        tables = {"train_csv": self.write("train.csv", "id,landmark_id\nabc1,5\nabc2,9\n"),
                  "exclude_csv": self.write("exclude.csv", "landmark_id\n9\n")}
        self.assertEqual(self.splits("gldv2", **tables), {"train": ["abc1"]})
        self.assertEqual(source_files(self.config("gldv2", **tables)), tables)
        tables = {"index_csv": self.write("index.csv", "id\nidx1\n"),
                  "index_labels_csv": self.write("labels.csv", "id,landmark_id\nidx1,3\n")}
        self.assertEqual(self.splits("gldv2", part="index", **tables), {"index": ["idx1"]})
        tables = {"test_csv": self.write("test.csv", "id\ntst1\n"), "retrieval_solution_csv": self.write(
            "retrieval.csv", "id,images,Usage\ntst1,idx1,Public\n")}
        self.assertEqual(self.splits("gldv2", part="test", **tables), {"test": ["tst1"]})
        self.assertEqual(source_files(self.config("gldv2", part="test", **tables)), tables)

    def test_revisited(self):
        ground_truth = self.write("gnd.json", json.dumps({"imlist": ["a"], "qimlist": ["q"], "gnd": [
            {"bbx": [0, 1, 2, 3], "easy": [0], "hard": [], "junk": []}]}))
        collection = read_collection(self.config("revisited", ground_truth=ground_truth))
        self.assertEqual([(split.name, split.ids, split.query_bboxes) for split in collection.splits],
                         [("query", ["q"], [[0, 1, 2, 3]]), ("index", ["a"], None)])
        self.assertEqual(collection.ground_truth["imlist"], ["a"])

    def test_tables_of_a_set_s_own_folder(self):
        published_sets.write_cub(self.directory)
        self.assertEqual(self.splits("cub", class_split="unseen")["test"], ["002.Jay/b_1", "002.Jay/b_2"])
        self.assertEqual(source_files(self.config("cub")), {
            name: self.path(name) for name in ("images.txt", "image_class_labels.txt", "train_test_split.txt",
                                               "classes.txt")})

    def test_dogs(self):
        published_sets.write_dogs(self.directory)
        self.assertEqual(self.splits("dogs")["test"], ["n01-Pug/test", "n02-Collie/test"])
        self.assertEqual(source_files(self.config("dogs")), {
            name: self.path(f"lists/{name}") for name in ("train_list.mat", "test_list.mat")})

    def test_day_night(self):
        settings = {"validation_fraction": 0, "test_fraction": 0, "pair_frames": True}
        self.write("a/day/1.jpg")
        self.assertEqual(source_files(self.config("day_night")), {})
        self.assertEqual(self.splits("day_night", **settings), {"train": ["a/day/1"]})
        table = self.write("places.csv", "file,domain,place\nb.jpg,day,p\n")
        self.assertEqual(source_files(self.config("day_night")), {"places.csv": table})
        self.assertEqual(self.splits("day_night", **settings), {"train": ["b"]})

    def test_sets_without_a_form_of_their_own(self):
        self.write("a/1.jpg")
        image_list = self.write("list.txt", "a/1.jpg\n")
        table = self.write("landmarks.json", json.dumps({"image_landmark": {"a/1": "x", "b": None}}))
        self.assertEqual(self.splits("folder"), {"train": ["a/1"]})
        self.assertEqual(self.splits("distractors"), {"index": ["a/1"]})
        self.assertEqual(self.splits("list", image_list=image_list), {"index": ["a/1.jpg"]})
        self.assertEqual(self.splits("landmarks"), {"train": ["a/1"]})
        self.assertEqual(source_files(self.config("folder")), {})
        self.assertEqual(source_files(self.config("list", image_list=image_list)), {"image_list": image_list})
        self.assertEqual(source_files(self.config("landmarks")), {"landmarks_json": table})

    def test_from_tars_needs_no_folder(self):
        image_list = self.write("list.txt", "a/1.jpg\n")
        for dataset, image_id in (("list", "a/1.jpg"), ("distractors", "a/1")):
            collection = read_collection(BuildConfig(dataset, "", "out", from_tars="*.tar",
                                                     image_list=image_list))
            self.assertEqual(collection.path_of(image_id), "a/1.jpg")


if __name__ == "__main__":
    unittest.main()
