"""A build sets bad images aside, can be interrupted at any time, and gives the same bytes every time."""

import hashlib
import json
import os
import shutil
import signal
import tempfile
import threading
import time
import unittest
from collections import namedtuple
from unittest import mock

from absl import logging

from data_prep.building import building, shard_building
from data_prep.building.config import BuildConfig
from data_prep.records import pipeline
from data_prep.stage.jobs import JobConfig
from tests.fixtures import photographs

PNG = photographs.encode(photographs.pixels(), "PNG")
BAD = {"empty.jpg": (b"", "zero bytes"),
       "text.jpg": (b"<html>not found</html>", "none of JPEG, PNG, GIF, WEBP, BMP, TIFF, AVIF, "
                                                 "HEIC: starts with b'<html>no'"),
       "truncated.jpg": (photographs.jpeg()[:-100], "truncated JPEG: no end marker in "),
       "cut_off.png": (PNG[:-40], "truncated PNG: no end marker"),
       "huge.jpg": (photographs.with_size(photographs.jpeg(), 60_000, 60_000), "60000 x 60000 pixels, more"),
       "damaged.png": (PNG.replace(b"IDAT", b"IDAT\0", 1), "damaged PNG: does not decode")}


class BuildTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.images_dir = os.path.join(directory.name, "images")
        self.output_dir = os.path.join(directory.name, "shards")
        verbosity = logging.get_verbosity()
        self.addCleanup(logging.set_verbosity, verbosity)
        logging.set_verbosity(logging.ERROR)

    def write(self, name: str, content: bytes) -> None:
        path = os.path.join(self.images_dir, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)

    def write_classes(self, num_classes: int = 4, size: int = 6) -> None:
        for number in range(num_classes * size):
            self.write(f"class{number // size}/{number}.jpg", photographs.jpeg(seed=number))

    def build(self, **settings):
        job = JobConfig(num_workers=settings.pop("num_workers", 2))
        return building.build(BuildConfig(**{
            "dataset": "folder", "images_dir": self.images_dir, "output_dir": self.output_dir,
            "num_shards": 3, **settings}), job)

    def shard_files(self) -> dict:
        """Name -> content and time of writing."""
        found = {}
        for name in sorted(os.listdir(self.output_dir)):
            path = os.path.join(self.output_dir, name)
            if "-of-" in name:
                with open(path, "rb") as file:
                    found[name] = (hashlib.sha256(file.read()).hexdigest(), os.stat(path).st_mtime_ns)
        return found

    def contents(self) -> dict:
        return {name: digest for name, (digest, _) in self.shard_files().items()}


class TrainingTest(BuildTest):
    def test_says_what_it_passed_over_and_which_classes_it_lost(self):
        self.write_classes()
        self.write("raw/1.nef", b"raw")
        self.write("phone/1.heic", photographs.heic_header(48, 64))
        self.write("bitmaps/1.bmp", photographs.encode(photographs.pixels(), "BMP"))
        logging.set_verbosity(logging.WARNING)
        with self.assertLogs(level="WARNING") as logs:
            manifest = self.build(max_bad_fraction=0.1, validation_fraction=0)
        self.assertEqual(manifest.passed_over, {"raw/1.nef": "camera raw is not read",
                                                "raw/": "no image that is read in this folder"})
        self.assertEqual(manifest.splits["train"].num_examples, 25)
        self.assertRegex("\n".join(logs.output), "Passed over raw/1.nef .camera raw is not read.; raw/ .no "
                                                 "image that is read in this folder.; dataset.json lists all")
        self.assertRegex("\n".join(logs.output), "1 of 6 classes have no readable image to train on: phone")

    def test_splits_hold_every_image_once_with_its_label_and_bytes(self):
        self.write_classes()
        manifest = self.build(validation_fraction=0.34, heldout_class_fraction=0.25)
        self.assertEqual(manifest.num_classes, 3)
        self.assertEqual({name: (split.num_examples, split.num_classes, split.label_range)
                          for name, split in manifest.splits.items()},
                         {"train": (12, 3, (0, 3)), "validation": (6, 3, (0, 3)), "heldout": (6, 1, (3, 4))})
        found = {}
        for split in manifest.splits:
            for example in pipeline.iterate_examples(os.path.join(self.output_dir, f"{split}*")):
                self.assertNotIn(example.id, found)
                found[example.id] = example
        for number in range(24):
            example = found[f"class{number // 6}/{number}"]
            self.assertEqual(example.encoded, photographs.jpeg(seed=number))
            self.assertEqual(manifest.labels[example.label], f"class{number // 6}")
            self.assertEqual((example.height, example.width), (48, 64))

    def test_training_order_is_mixed(self):
        self.write_classes(num_classes=8)
        self.build(validation_fraction=0, num_shards=1)
        pattern = os.path.join(self.output_dir, "train*")
        labels = [example.label for example in pipeline.iterate_examples(pattern)]
        self.assertGreater(len(set(labels[:8])), 3)

    def test_images_of_every_folder_go_to_every_shard(self):
        self.write_classes(num_classes=4, size=30)
        self.build(validation_fraction=0)
        for shard in range(3):
            pattern = os.path.join(self.output_dir, f"train-0000{shard}*")
            labels = {example.label for example in pipeline.iterate_examples(pattern)}
            self.assertEqual(labels, {0, 1, 2, 3})

    def test_same_seed_same_bytes_whatever_the_workers(self):
        self.write_classes()
        self.build(num_workers=1)
        first = self.contents()
        shutil.rmtree(self.output_dir)
        self.build(num_workers=4)
        self.assertEqual(self.contents(), first)
        shutil.rmtree(self.output_dir)
        self.build(seed=1)
        self.assertNotEqual(self.contents(), first)

    def test_bad_images_are_set_aside_with_their_reason(self):
        self.write_classes()
        for name, (content, _) in BAD.items():
            self.write(f"class1/{name}", content)
        manifest = self.build(max_bad_fraction=0.3, validation_fraction=0)
        left_out = {os.path.basename(entry["image"]): entry["reason"] for entry in manifest.left_out}
        self.assertEqual(sorted(left_out), sorted(BAD))
        for name, reason in left_out.items():
            self.assertTrue(reason.startswith(BAD[name][1]), (name, reason))
        self.assertEqual(manifest.splits["train"].num_examples, 24)

    def test_too_many_bad_images_stop_it(self):
        self.write_classes()
        for number in range(2):
            self.write(f"class1/bad{number}.jpg", b"text")
        message = (r"At most 0.05 of the 26 images may be bad \(`max_bad_fraction`\). "
                   r"Received: 2 bad ones so far, such as .*bad\d.jpg: none of JPEG")
        with self.assertRaisesRegex(ValueError, message):
            self.build()
        self.assertFalse(os.path.exists(os.path.join(self.output_dir, "dataset.json")))

    def test_max_pixels(self):
        self.write_classes()
        self.write("class0/large.jpg", photographs.encode(photographs.pixels(60, 80)))
        manifest = self.build(max_pixels=64 * 48)
        self.assertEqual([entry["reason"] for entry in manifest.left_out],
                         ["80 x 60 pixels, more than the limit of 3072"])

    def test_missing_images_of_a_table(self):
        for number in range(30):
            name = f"abc{number:02d}"
            if number != 7:
                self.write(f"a/b/c/{name}.jpg", photographs.jpeg(seed=number))
        table = os.path.join(self.images_dir, "train.csv")
        with open(table, "w") as file:
            rows = (f"abc{number:02d},{number % 3 * 10}" for number in range(30))
            file.write("\n".join(["id,landmark_id", *rows]))
        manifest = self.build(dataset="gldv2", train_csv=table)
        split = manifest.left_out[0]["split"]
        self.assertIn(split, ("train", "validation"))
        self.assertEqual(manifest.left_out, (
            {"split": split, "id": "abc07", "image": "a/b/c/abc07.jpg", "reason": "missing"},))
        self.assertEqual(manifest.labels, (0, 10, 20))
        self.assertEqual(manifest.sources["train_csv"]["path"], table)
        with self.assertRaisesRegex(OSError, "one image must exist below .* none of 30 looked for, such as"):
            self.build(dataset="gldv2", train_csv=table, images_dir=os.path.join(self.images_dir, "a"))

    def test_never_more_shards_than_images(self):
        self.write_classes(2, 2)
        manifest = self.build(num_shards=100, validation_fraction=0)
        self.assertEqual([shard.num_examples for shard in manifest.splits["train"].shards], [1, 1, 1, 1])

    def test_shards_of_equal_size(self):
        self.write_classes(5, 4)
        manifest = self.build(validation_fraction=0)
        self.assertEqual([shard.num_examples for shard in manifest.splits["train"].shards], [6, 7, 7])


class ResumeTest(BuildTest):
    def setUp(self):
        super().setUp()
        self.write_classes()
        self.manifest = self.build()
        self.files = self.shard_files()

    def shard(self, name: str) -> str:
        return os.path.join(self.output_dir, name)

    def test_finished_shards_stay(self):
        self.assertEqual(self.build(), self.manifest)
        self.assertEqual(self.shard_files(), self.files)

    def test_missing_and_damaged_shards_are_built_again(self):
        os.remove(self.shard("train-00000-of-00003"))
        with open(self.shard("train-00001-of-00003"), "rb+") as file:
            file.seek(40)
            file.write(b"x")
        os.truncate(self.shard("validation-00000-of-00003"), 10)
        self.assertEqual(self.build(), self.manifest)
        rebuilt = {name for name, entry in self.shard_files().items() if entry != self.files[name]}
        self.assertEqual(sorted(rebuilt),
                         ["train-00000-of-00003", "train-00001-of-00003", "validation-00000-of-00003"])
        self.assertEqual(self.contents(), {name: digest for name, (digest, _) in self.files.items()})

    def test_a_changed_image_changes_its_shard_only(self):
        self.write("class0/0.jpg", photographs.jpeg(seed=99))
        self.build()
        self.assertEqual(sum(entry != self.files[name] for name, entry in self.shard_files().items()), 1)

    def test_interrupt_keeps_finished_shards_and_no_half_one(self):
        shutil.rmtree(self.output_dir)
        encode, calls, heard = shard_building.encode_example, [], threading.Event()

        def note(*arguments):
            heard.set()
            signal.default_int_handler(*arguments)

        self.addCleanup(signal.signal, signal.SIGINT, signal.signal(signal.SIGINT, note))

        def press_ctrl_c_at_tenth(*arguments, **settings):
            calls.append(None)
            if len(calls) == 10:
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
                heard.wait(60)  # a slow image, during which the main thread hears of it
                time.sleep(0.2)  # and stops the others
            return encode(*arguments, **settings)

        with mock.patch.object(shard_building, "encode_example", press_ctrl_c_at_tenth), \
                self.assertRaises(KeyboardInterrupt):
            self.build(num_workers=1)
        left = self.shard_files()
        self.assertIn("train-00000-of-00003", left)  # of 6 or 7 images: finished before the tenth
        self.assertLess(len(left), len(self.files))
        self.assertLess(len(calls), 12)
        self.assertEqual({name for name in os.listdir(self.output_dir) if "-of-" not in name},
                         {".build", ".details"})
        self.build()
        self.assertEqual(self.contents(), {name: digest for name, (digest, _) in self.files.items()})
        self.assertEqual(self.shard_files()["train-00000-of-00003"], left["train-00000-of-00003"])

    def test_there_is_no_description_while_shards_change(self):
        os.remove(self.shard("train-00000-of-00003"))
        with mock.patch.object(shard_building, "encode_example", side_effect=OSError("disk broke")), \
                self.assertRaisesRegex(OSError, "disk broke"):
            self.build()
        self.assertFalse(os.path.exists(self.shard("dataset.json")))

    def test_what_a_killed_run_left_is_cleared(self):
        with open(self.shard(".train-00000-of-00003.99.tmp"), "w") as file:
            file.write("half")
        self.build()
        self.assertNotIn(".train-00000-of-00003.99.tmp", os.listdir(self.output_dir))

    def test_refuses_a_folder_of_other_shards(self):
        with self.assertRaisesRegex(ValueError, "shards of another build. Received: .*train-00000-of-00003"):
            self.build(num_shards=2)

    def test_refuses_a_folder_of_another_dataset(self):
        with self.assertRaisesRegex(ValueError, "no other dataset. Received: .*dataset.json of "
                                                "dataset=folder, seed=0"):
            self.build(seed=3)
        self.assertEqual(self.shard_files(), self.files)

    def test_refuses_to_start_without_room(self):
        shutil.rmtree(self.output_dir)
        disk = namedtuple("usage", "total used free")(10**9, 10**9, 20 * 10**6)
        with mock.patch.object(shutil, "disk_usage", return_value=disk), \
                self.assertRaisesRegex(OSError, "must have 0.07 GB free .* Received: 0.02 GB free"):
            self.build()
        self.assertEqual(self.shard_files(), {})


class RevisitedTest(BuildTest):
    def write_set(self, bbx=(2, 3, 60, 40)) -> str:
        names = [f"index{number}" for number in range(6)]
        for number, name in enumerate([*names, "query0", "query1"]):
            self.write(f"jpg/{name}.jpg", photographs.jpeg(seed=number))
        gnd = [{"bbx": [1, 2, 50, 40], "easy": [0, 1], "hard": [2], "junk": [5]},
               {"bbx": list(bbx), "easy": [4], "hard": [], "junk": [0]}]
        path = os.path.join(self.images_dir, "gnd.json")
        with open(path, "w") as file:
            json.dump({"imlist": names, "qimlist": ["query0", "query1"], "gnd": gnd}, file)
        return path

    def examples(self, split: str) -> list:
        return list(pipeline.iterate_examples(os.path.join(self.output_dir, f"{split}*")))

    def test_order_and_boxes(self):
        manifest = self.build(dataset="revisited", ground_truth=self.write_set())
        self.assertEqual([example.id for example in self.examples("index")],
                         [f"index{number}" for number in range(6)])
        queries = self.examples("query")
        self.assertEqual([(example.id, example.query_bbox.tolist()) for example in queries],
                         [("query0", [1, 2, 50, 40]), ("query1", [2, 3, 60, 40])])
        self.assertIsNone(self.examples("index")[0].query_bbox)
        self.assertEqual(manifest.ground_truth["gnd"][0]["easy"], [0, 1])
        self.assertIsNone(manifest.splits["query"].label_range)

    def test_bad_images_leave_the_ground_truth_too(self):
        path = self.write_set()
        self.write("jpg/index1.jpg", photographs.jpeg()[:-100])  # found when it is read
        os.remove(os.path.join(self.images_dir, "jpg", "index4.jpg"))
        self.write("jpg/query0.jpg", b"text")
        manifest = self.build(dataset="revisited", ground_truth=path, max_bad_fraction=0.5)
        self.assertEqual(sorted(entry["image"] for entry in manifest.left_out),
                         ["jpg/index1.jpg", "jpg/index4.jpg", "jpg/query0.jpg"])
        self.assertEqual(manifest.ground_truth, {
            "imlist": ["index0", "index2", "index3", "index5"], "qimlist": ["query1"],
            "gnd": [{"bbx": [2.0, 3.0, 60.0, 40.0], "easy": [], "hard": [], "junk": [0]}]})
        self.assertEqual([example.id for example in self.examples("index")], manifest.ground_truth["imlist"])

    def test_refuses_a_box_outside_the_image(self):
        with self.assertRaisesRegex(ValueError, "box of query 'query1' must lie in its image of 64 x 48"):
            self.build(dataset="revisited", ground_truth=self.write_set(bbx=(2, 3, 90, 40)))

    def test_refuses_queries_that_are_all_bad(self):
        path = self.write_set()
        for number in range(2):
            self.write(f"jpg/query{number}.jpg", b"text")
        with self.assertRaisesRegex(ValueError, "one query image must be readable. Received: 2 queries"):
            self.build(dataset="revisited", ground_truth=path, max_bad_fraction=0.5)


if __name__ == "__main__":
    unittest.main()
