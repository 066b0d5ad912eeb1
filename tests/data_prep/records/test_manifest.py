"""dataset.json comes back as it was written, and speaks up when the shards are not what it says."""

import dataclasses
import os
import tempfile
import unittest

from data_prep.images.image_headers import MAX_PIXELS
from data_prep.records import manifest


class ManifestTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        names = ("train-00000-of-00002", "train-00001-of-00002", "heldout-00000-of-00001")
        for name in names:
            with open(os.path.join(self.folder, name), "wb") as file:
                file.write(b"12345")
        first, second, other = (manifest.Shard(name, number, 5, "00") for number, name in enumerate(names, 3))
        self.written = manifest.save_manifest(manifest.Manifest(
            path="", dataset="folder", seed=1, num_classes=2, labels=("a", "b", "c"),
            splits={"train": manifest.Split(7, 2, (0, 2), (first, second)),
                    "heldout": manifest.Split(5, 1, (2, 3), (other,))},
            ground_truth={"imlist": ["x"], "qimlist": [], "gnd": []},
            sources={"train_csv": {"path": "t.csv", "sha256": "11"}},
            left_out=({"image": "x.jpg", "reason": "missing"},)), self.folder)

    def paths(self, *names: str) -> list:
        return [os.path.join(self.folder, name) for name in names]

    def test_round_trip(self):
        self.assertEqual(manifest.load_manifest(self.folder), self.written)
        self.assertEqual(manifest.load_manifest(os.path.join(self.folder, "dataset.json")), self.written)
        self.assertEqual(manifest.manifest_beside(os.path.join(self.folder, "train*")), self.written)

    def test_images_may_be_as_large_as_the_build_took_them(self):
        for settings, expected in (({}, MAX_PIXELS), ({"max_pixels": 9}, MAX_PIXELS),
                                   ({"max_pixels": 2 * MAX_PIXELS}, 2 * MAX_PIXELS)):
            found = dataclasses.replace(self.written, settings=settings)
            self.assertEqual(found.max_pixels, expected)

    def test_select_one_shard(self):
        split = self.written.select(self.paths("train-00001-of-00002"))
        self.assertEqual((split.num_examples, split.label_range), (4, (0, 2)))

    def test_select_over_splits(self):
        split = self.written.select(self.paths("heldout-00000-of-00001", "train-00000-of-00002"))
        self.assertEqual((split.num_examples, split.num_classes, split.label_range), (8, 3, (0, 3)))

    def test_refuses_an_unknown_shard(self):
        with self.assertRaisesRegex(ValueError, "must be listed in .*dataset.json. Received: .*other-0"):
            self.written.select(self.paths("other-00000-of-00001"))

    def test_refuses_a_shard_of_another_size(self):
        path, = self.paths("train-00000-of-00002")
        os.truncate(path, 4)
        with self.assertRaisesRegex(ValueError, "train-00000-of-00002 must have the 5 bytes .* 4 bytes"):
            self.written.select([path])

    def test_refuses_a_split_with_a_missing_shard(self):
        gone, there = self.paths("train-00000-of-00002", "train-00001-of-00002")
        os.remove(gone)
        with self.assertRaisesRegex(FileNotFoundError, "Split 'train' .* lacks its shard train-00000"):
            self.written.select([there])

    def test_refuses_a_folder_without_it(self):
        os.remove(self.written.path)
        with self.assertRaisesRegex(FileNotFoundError, "dataset.json does not exist: build the shards"):
            manifest.load_manifest(self.folder)

    def write(self, text: str) -> None:
        with open(self.written.path, "w") as file:
            file.write(text)

    def test_refuses_what_is_not_json(self):
        self.write('{"format": 1, ')
        with self.assertRaisesRegex(ValueError, "dataset.json must be a JSON object. Received: "):
            manifest.load_manifest(self.folder)

    def test_refuses_a_missing_key(self):
        self.write('{"format": 1, "dataset": "x"}')
        with self.assertRaisesRegex(ValueError, "must describe a dataset .* KeyError: 'splits'"):
            manifest.load_manifest(self.folder)

    def test_refuses_another_format(self):
        self.write('{"format": 2}')
        with self.assertRaisesRegex(ValueError, "must have format 1. Received: format=2"):
            manifest.load_manifest(self.folder)


if __name__ == "__main__":
    unittest.main()
