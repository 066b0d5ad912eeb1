"""A repair brings back the bytes of the build, leaves out what does not decode, and makes nothing worse."""

import dataclasses
import hashlib
import os
import shutil
import tempfile
import unittest
from unittest import mock

from data_prep.building import building
from data_prep.building.config import BuildConfig
from data_prep.checking import repair, validation
from data_prep.records import shards
from data_prep.records.manifest import load_manifest, save_manifest
from data_prep.stage import jobs
from tests.fixtures import photographs
from tests.fixtures.datasets import run_here

_SHARD = "train-00001-of-00002"


class RepairTest(unittest.TestCase):
    """24 images of 3 classes in 2 shards of train and 2 of validation."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.images_dir, self.folder = (os.path.join(directory.name, name) for name in ("images", "shards"))
        for number in range(24):
            self.write(number, photographs.jpeg(number))
        patch = mock.patch.object(jobs, "run", self.run_job)
        patch.start()
        self.addCleanup(patch.stop)
        self.build()
        self.before = self.contents()

    def run_job(self, title, function, items, results_dir, config, sizes=(), on_result=None) -> dict:
        return run_here(title, function, items, results_dir, config)

    def build(self) -> None:
        building.build(BuildConfig("folder", self.images_dir, self.folder, num_shards=2,
                                   max_bad_fraction=0.2))

    def path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def image_path(self, number: int) -> str:
        return os.path.join(self.images_dir, f"class{number % 3}", f"{number}.jpg")

    def write(self, number: int, content: bytes) -> None:
        os.makedirs(os.path.dirname(self.image_path(number)), exist_ok=True)
        with open(self.image_path(number), "wb") as file:
            file.write(content)

    def contents(self) -> dict:
        found = {}
        for name in os.listdir(self.folder):
            if name not in (".build", ".details"):
                with open(self.path(name), "rb") as file:
                    found[name] = hashlib.sha256(file.read()).hexdigest()
        return found

    def damage(self, name: str = _SHARD) -> None:
        with open(self.path(name), "rb+") as file:
            file.seek(300)
            file.write(b"damage")

    def repair(self, **settings) -> tuple:
        report = validation.validate(self.folder)
        self.assertGreater(report.num_problems, 0)
        rebuilt = repair.rebuild_bad_shards(report, **settings)
        after = validation.validate(self.folder, earlier=report)
        self.assertEqual([str(problem) for problem in after.problems], [])
        return rebuilt

    def test_damaged_and_missing_shards_get_their_bytes_back(self):
        self.damage()
        os.remove(self.path("validation-00000-of-00002"))
        with open(self.path("train-00000-of-00002.bad"), "wb"):
            pass  # of a repair that was killed
        rebuilt = self.repair()
        self.assertEqual(rebuilt, ((_SHARD, "validation-00000-of-00002"), {}))
        self.assertEqual(self.contents(), self.before)

    def test_a_shard_that_is_wrong_though_its_sha256_holds_is_built_again(self):
        manifest = load_manifest(self.folder)
        wrong = shards.write_shard(self.path(_SHARD), [b"text"])
        split = manifest.splits["train"]
        splits = {**manifest.splits, "train": dataclasses.replace(split, shards=(split.shards[0], wrong))}
        with mock.patch.object(repair, "_read_sources", return_value=repair.read_collection(
                BuildConfig("folder", self.images_dir, self.folder))):
            save_manifest(dataclasses.replace(manifest, splits=splits), self.folder)
            self.repair()
        self.assertEqual(self.contents(), self.before)

    def test_dataset_json_that_contradicts_itself_is_written_again(self):
        manifest = load_manifest(self.folder)
        save_manifest(dataclasses.replace(manifest, labels=("x", "x", "y")), self.folder)
        self.assertEqual(self.repair().shards, ())
        self.assertEqual(self.contents(), self.before)

    def test_an_image_that_does_not_decode_is_left_out_from_then_on(self):
        jpeg = bytearray(photographs.jpeg(5))
        start = jpeg.index(b"\xff\xc4") + 5
        jpeg[start:start + 16] = b"\xff" * 16  # of a Huffman table
        shutil.rmtree(self.folder)
        self.write(5, bytes(jpeg))
        with mock.patch.object(building.shard_building, "take_image", self.take_unseen):
            self.build()
        report = validation.validate(self.folder)
        self.assertEqual(report.counts, {"damaged image": 1})
        rebuilt = self.repair()
        self.assertEqual(list(rebuilt.left_out), [os.path.join("class2", "5.jpg")])
        manifest = load_manifest(self.folder)
        self.assertEqual(sum(split.num_examples for split in manifest.splits.values()), 23)

    def take_unseen(self, encoded, max_pixels, upright, decode_check):
        """Takes every JPEG, as a build does that does not look for the damage at hand."""
        return building.shard_building.TakenImage(encoded, "JPEG", 48, 64)

    def test_images_that_moved(self):
        self.damage()
        moved = self.images_dir + "2"
        shutil.move(self.images_dir, moved)
        self.repair(images_dir=moved)
        after = self.contents()
        self.assertEqual({name: after[name] for name in after if "-of-" in name},
                         {name: self.before[name] for name in after if "-of-" in name})

    def assert_refused(self, error: type, message: str) -> None:
        before = self.contents()
        report = validation.validate(self.folder)
        with self.assertRaisesRegex(error, message):
            repair.rebuild_bad_shards(report)
        self.assertEqual(self.contents(), before)

    def test_images_that_are_gone(self):
        self.damage()
        shutil.move(self.image_path(3), self.image_path(3) + ".away")
        self.assert_refused(OSError, f"needs all that .*dataset.json was built from. Bad are: {_SHARD}. "
                                     "Received: 23 images now, 24 then")
        shutil.rmtree(self.images_dir)
        self.assert_refused(OSError, f"Bad are: {_SHARD}. Received: images_dir={self.images_dir}, which does "
                                     "not exist")

    def test_an_image_of_a_table_that_is_gone(self):
        self.damage()
        report = validation.validate(self.folder)
        collection = repair.read_collection(BuildConfig("folder", self.images_dir, self.folder))
        os.remove(self.image_path(4))
        with mock.patch.object(repair, "read_collection", return_value=collection), \
                self.assertRaisesRegex(OSError, "1 of 24 images are gone from .*, such as class1/4.jpg"):
            repair.rebuild_bad_shards(report)

    def test_without_settings(self):
        manifest = load_manifest(self.folder)
        self.damage()
        save_manifest(dataclasses.replace(manifest, settings={}), self.folder)
        self.assert_refused(ValueError, "must say with what settings it was built. Received: one without")
        save_manifest(dataclasses.replace(manifest, settings={"dataset": "folder", "colour": 3}), self.folder)
        self.assert_refused(ValueError, "dataset.json must hold settings that this version knows.*colour")

    def test_a_build_that_fails_leaves_everything_as_it_was(self):
        self.damage()
        with mock.patch.object(building.shard_building, "encode_example", side_effect=OSError("disk broke")):
            self.assert_refused(OSError, "disk broke")


if __name__ == "__main__":
    unittest.main()
