"""A tiny set of every published layout goes through the build and comes back with labels and splits."""

import json
import os
import unittest

from absl import logging

from data_prep.building import building
from data_prep.building.config import BuildConfig
from data_prep.records import pipeline
from data_prep.records.manifest import Manifest, load_manifest
from data_prep.stage.jobs import JobConfig
from tests.fixtures import published_sets
from tests.fixtures.published_sets import write_images, write_tables
from tests.fixtures.temporary_files import FilesTest

GLDV2_TRAIN = "id,url,landmark_id\nabc1,u,5\nabc2,u,9\nabc3,u,9\nabd4,u,2\n"


class BuiltTest(FilesTest):
    def setUp(self):
        super().setUp()
        self.images_dir, self.output_dir = self.path("images"), self.path("shards")
        os.mkdir(self.images_dir)
        verbosity = logging.get_verbosity()
        self.addCleanup(logging.set_verbosity, verbosity)
        logging.set_verbosity(logging.ERROR)

    def build(self, dataset: str, **settings) -> Manifest:
        settings = {"num_shards": 1, "validation_fraction": 0, **settings}
        return building.build(BuildConfig(dataset, self.images_dir, self.output_dir, **settings),
                              JobConfig(num_workers=2))

    def examples(self, split: str) -> dict:
        return {example.id: example
                for example in pipeline.iterate_examples(os.path.join(self.output_dir, f"{split}-*"))}

    def labels(self, manifest: Manifest, split: str) -> dict:
        """Original label of each image, None for none."""
        return {image_id: manifest.labels[example.label] if example.label >= 0 else None
                for image_id, example in self.examples(split).items()}

    def test_gldv2_train(self):
        write_images(self.images_dir, "a/b/c/abc1.jpg", "a/b/c/abc2.jpg", "a/b/c/abc3.jpg", "a/b/d/abd4.jpg")
        manifest = self.build("gldv2", **write_tables(
            self.directory, train_csv=GLDV2_TRAIN, exclude_csv="landmark_id\n2\n",
            train_clean_csv="landmark_id,images\n9,abc3 abc2\n2,abd4\n"))
        self.assertEqual(self.labels(manifest, "train"), {"abc2": 9, "abc3": 9})
        self.assertEqual((manifest.labels, manifest.num_classes), ((9,), 1))
        self.assertEqual(set(manifest.sources), {"train_csv", "train_clean_csv", "exclude_csv"})

    def test_gldv2_index_and_test(self):
        write_images(self.images_dir, "i/d/x/idx1.jpg", "i/d/x/idx2.jpg", "t/s/t/tst1.jpg")
        tables = write_tables(
            self.directory, index_csv="id\nidx1\nidx2\n", index_labels_csv="id,landmark_id\nidx2,7\nidx1,4\n",
            test_csv="id\ntst1\n", recognition_solution_csv="id,landmarks,Usage\ntst1,4,Public\n",
            retrieval_solution_csv="id,images,Usage\ntst1,idx1,Private\n")
        manifest = self.build("gldv2", part="index", index_csv=tables["index_csv"],
                              index_labels_csv=tables["index_labels_csv"])
        self.assertEqual(self.labels(manifest, "index"), {"idx1": 4, "idx2": 7})
        self.output_dir = self.path("test_shards")
        manifest = self.build("gldv2", part="test", **{
            name: path for name, path in tables.items() if name != "index_labels_csv"})
        self.assertEqual(self.labels(manifest, "test"), {"tst1": None})
        self.assertEqual(manifest.ground_truth, {
            "recognition": {"Public": {"tst1": [4]}, "Private": {}},
            "retrieval": {"Public": {}, "Private": {"tst1": ["idx1"]}}})

    def test_revisited(self):
        write_images(self.images_dir, "jpg/a.jpg", "jpg/q.jpg")
        manifest = self.build("revisited", ground_truth=self.write("gnd.json", json.dumps(
            {"imlist": ["a"], "qimlist": ["q"],
             "gnd": [{"bbx": [1, 2, 30, 40], "easy": [0], "hard": [], "junk": []}]})))
        self.assertEqual(list(self.examples("index")), ["a"])
        self.assertEqual(self.examples("query")["q"].query_bbox.tolist(), [1, 2, 30, 40])
        self.assertEqual(manifest.ground_truth["gnd"][0]["easy"], [0])

    def test_distractors(self):
        write_images(self.images_dir, "jpg/0a/1.jpg", "jpg/0a/b/2.jpg")
        manifest = self.build("distractors")
        self.assertEqual(self.labels(manifest, "index"), {"0a/1": None, "0a/b/2": None})

    def test_cub(self):
        published_sets.write_cub(self.images_dir)
        manifest = self.build("cub")
        self.assertEqual(manifest.labels, ("001.Wren", "002.Jay"))  # the published numbers, less one
        for split, expected in (("train", {"001.Wren/a_1": 0, "002.Jay/b_2": 1}),
                                ("test", {"001.Wren/a_2": 0, "002.Jay/b_1": 1})):
            self.assertEqual({image_id: example.label for image_id, example in self.examples(split).items()},
                             expected)

    def test_cub_unseen(self):
        published_sets.write_cub(self.images_dir)
        manifest = self.build("cub", class_split="unseen")
        self.assertEqual((manifest.num_classes, manifest.splits["test"].label_range), (1, (1, 2)))
        self.assertEqual(set(self.labels(manifest, "test").values()), {"002.Jay"})

    def test_dogs(self):
        published_sets.write_dogs(self.images_dir)
        manifest = self.build("dogs")
        self.assertEqual(self.labels(manifest, "test"), {"n01-Pug/test": "001.n01-Pug",
                                                         "n02-Collie/test": "002.n02-Collie"})

    def test_day_night(self):
        write_images(self.images_dir, *(f"drive{drive}/{domain}/{camera}/7.jpg" for drive in range(5)
                                        for domain in ("day", "night") for camera in ("left", "right")))
        manifest = self.build("day_night", validation_fraction=0.2, pair_frames=True)
        self.assertEqual({name: split.num_examples for name, split in manifest.splits.items()},
                         {"train": 12, "validation": 4, "test": 4})
        for name in manifest.splits:
            pairs = []
            pattern = os.path.join(self.output_dir, f"{name}-*")
            for fields in pipeline.read_examples(pattern).as_numpy_iterator():
                drive, domain, camera, _ = fields["id"].decode().split("/")
                self.assertEqual(manifest.labels[fields["label"]], drive)
                self.assertEqual(fields["domain"].decode(), domain)
                pairs.append(fields["pair"].decode())
                self.assertEqual(pairs[-1], f"{drive}/{camera}/7")
            self.assertEqual(pairs[::2], pairs[1::2])  # the two of a pair lie next to each other

    def test_folder_and_list_with_odd_names(self):
        odd = os.fsdecode(b"caf\xe9/\xff.jpg")
        write_images(self.images_dir, odd, "plain/1.jpg")
        manifest = self.build("folder")
        self.assertEqual(self.labels(manifest, "train"), {r"caf\xe9/\xff": r"caf\xe9", "plain/1": "plain"})
        self.output_dir = self.path("list_shards")
        image_list = self.write("list.txt", b"caf\xe9/\xff.jpg\nplain/absent.jpg\n")
        manifest = self.build("list", image_list=image_list, max_bad_fraction=0.5)
        self.assertEqual(self.labels(manifest, "index"), {r"caf\xe9/\xff.jpg": None})
        self.assertEqual([entry["reason"] for entry in manifest.left_out], ["missing"])

    def test_a_bad_image_with_an_odd_name_is_listed(self):
        write_images(self.images_dir, "a/1.jpg")
        self.write(os.fsdecode(b"images/a/\xff.jpg"), b"")
        self.build("folder", max_bad_fraction=0.5)
        [entry] = load_manifest(self.output_dir).left_out
        self.assertEqual((os.fsencode(entry["image"]), entry["reason"]), (b"a/\xff.jpg", "zero bytes"))

    def test_landmarks(self):
        write_images(self.images_dir, "jpg/a.jpg", "jpg/b.jpg")
        self.write("images/landmarks.json", json.dumps({"image_landmark": {"a": "gate", "b": None}}))
        self.assertEqual(self.labels(self.build("landmarks"), "train"), {"a": "gate"})


if __name__ == "__main__":
    unittest.main()
