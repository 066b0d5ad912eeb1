"""A build that is killed, shut out or without room leaves nothing half-done, and says what is the matter."""

import filecmp
import json
import multiprocessing
import os
import random
import shutil
import signal
import tarfile
import tempfile
import time
import unittest

from absl import logging

from data_prep.building import building, tar_members
from data_prep.building.config import BuildConfig
from data_prep.checking import validation
from data_prep.records import pipeline
from data_prep.stage import jobs
from tests.fixtures import photographs

NUM_KILLS = 10


class FaultsTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        verbosity = logging.get_verbosity()
        self.addCleanup(logging.set_verbosity, verbosity)
        logging.set_verbosity(logging.ERROR)

    def path(self, *names: str) -> str:
        return os.path.join(self.directory, *names)

    def write(self, name: str, content: bytes) -> None:
        path = self.path("images", name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)

    def write_images(self, count: int) -> None:
        files = [photographs.jpeg(seed=number) for number in range(min(count, 50))]
        for number in range(count):
            self.write(f"class{number % 5}/{number}.jpg", files[number % len(files)])

    def config(self, output: str = "shards", **settings) -> BuildConfig:
        return BuildConfig(**{"dataset": "folder", "images_dir": self.path("images"),
                              "output_dir": self.path(output), "num_shards": 8, **settings})

    def shards(self, output: str) -> list[str]:
        return sorted(name for name in os.listdir(self.path(output)) if "-of-" in name)

    def assert_same_shards(self, one: str, other: str) -> None:
        names = self.shards(one)
        self.assertEqual(self.shards(other), names)
        _, different, failed = filecmp.cmpfiles(self.path(one), self.path(other), names, shallow=False)
        self.assertEqual((different, failed), ([], []))


class KillTest(FaultsTest):
    def test_killed_at_random_moments_it_ends_with_the_same_bytes(self):
        self.write_images(2000)
        # Forks of a process that has its imports behind it, and no threads yet.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["data_prep.building.building"])
        first = context.Process(target=building.build, args=(self.config("first"),))
        first.start()  # waits for the imports
        first.join(60)
        start = time.monotonic()
        whole = context.Process(target=building.build, args=(self.config("whole"),))
        whole.start()
        whole.join(60)
        self.assertEqual(whole.exitcode, 0)
        seconds = time.monotonic() - start
        moments, num_killed = random.Random(0), 0
        for _ in range(NUM_KILLS):
            process = context.Process(target=building.build, args=(self.config("killed"),))
            process.start()
            process.join(moments.uniform(0.1, 1) * seconds)
            process.kill()
            process.join()
            num_killed += process.exitcode == -signal.SIGKILL
            if process.exitcode == 0:  # it came to its end before: the next one begins anew
                shutil.rmtree(self.path("killed"))
        self.assertGreater(num_killed, 1)
        manifest = building.build(self.config("killed"))
        self.assert_same_shards("whole", "killed")
        with open(self.path("whole", "dataset.json"), "rb") as file:
            expected = json.load(file)
        with open(manifest.path, "rb") as file:
            self.assertEqual(json.load(file), expected)
        self.assertEqual(validation.validate(self.path("killed")).problems, ())
        self.assertEqual([name for name in os.listdir(self.path("killed")) if name.endswith(".tmp")], [])


class ShutOutTest(FaultsTest):
    def test_two_builds_of_one_folder(self):
        self.write_images(5)
        os.makedirs(self.path("shards", ".build"))
        with building.locked(self.path("shards")), \
                self.assertRaisesRegex(OSError, "by one build at a time. Received: output_dir=.*, where ano"):
            building.build(self.config())
        building.build(self.config())

    def test_folder_that_cannot_be_written(self):
        self.write_images(5)
        with open(self.path("shards"), "w"):
            pass  # a file in place of the folder: refused whoever asks, even root
        with self.assertRaisesRegex(OSError, "shards"):
            building.build(self.config())


class OddImagesTest(FaultsTest):
    def test_every_kind_that_comes_from_the_web(self):
        image = photographs.pixels(48, 64)
        kinds = {"grey.jpg": photographs.encode(image, "JPEG", "L"),
                 "cmyk.jpg": photographs.encode(image, "JPEG", "CMYK"),
                 "palette.png": photographs.encode(image, "PNG", "P"),
                 "photo.webp": photographs.encode(image, "WEBP"),
                 "picture.gif": photographs.encode(image, "GIF", "P"),
                 "webp_called.jpg": photographs.encode(image, "WEBP"),
                 "turned.jpg": photographs.jpeg(exif=photographs.exif(6)),
                 os.fsdecode(b"caf\xe9.jpg"): photographs.jpeg()}
        for name, encoded in kinds.items():
            self.write(f"class/{name}", encoded)
        self.write("class/zero.jpg", b"")
        self.write("class/half.jpg", photographs.jpeg()[:-30])
        self.write("class/huge.jpg", photographs.with_size(photographs.jpeg(), 60_000, 60_000))
        os.makedirs(self.path("images", "class", "folder.jpg"))
        manifest = building.build(self.config(validation_fraction=0, max_bad_fraction=0.5))
        sizes = {}
        for images, labels in pipeline.make_dataset(self.path("shards", "train*"), 32, 4, 0, training=False):
            self.assertEqual(images.shape[1:], (32, 32, 3))
            self.assertEqual(set(labels.numpy()), {0})
        for example in pipeline.iterate_examples(self.path("shards", "train*")):
            sizes[example.id] = (example.height, example.width)
        self.assertEqual(sizes.pop("class/turned"), (64, 48))
        self.assertEqual(sizes, {f"class/{name}": (48, 64) for name in (
            "grey", "cmyk", "palette", "photo", "picture", "webp_called", "caf\\xe9")})
        self.assertEqual({entry["image"]: entry["reason"].split(":")[0] for entry in manifest.left_out},
                         {"class/zero.jpg": "zero bytes", "class/half.jpg": "truncated JPEG",
                          "class/huge.jpg": "60000 x 60000 pixels, more than the limit of 64000000"})

    def test_images_that_no_table_lists(self):
        for number in range(6):
            self.write(f"0/1/2/012{number}.jpg", photographs.jpeg(seed=number))
        with open(self.path("train.csv"), "w") as file:
            file.write("id,landmark_id\n0120,5\n0121,5\n0122,7\n0123,7\n")
        manifest = building.build(self.config(dataset="gldv2", train_csv=self.path("train.csv")))
        self.assertEqual(manifest.unlisted, {"count": 2, "examples": ["0/1/2/0124.jpg", "0/1/2/0125.jpg"]})


class TarTest(FaultsTest):
    def write_tars(self, mode: str = "w") -> str:
        for number in range(12):
            self.write(f"{number % 3}/1/2/{number % 3}12{number}.jpg", photographs.jpeg(seed=number))
        rows = [f"{number % 3}12{number},{number % 4}" for number in range(12)]
        with open(self.path("train.csv"), "w") as file:
            file.write("\n".join(["id,landmark_id", *rows]))
        for number in range(3):
            with tarfile.open(self.path(f"images_00{number}.tar"), mode) as archive:
                archive.add(self.path("images", str(number)), arcname=f"./{number}")
        return self.path("images_*.tar")

    def test_same_shards_as_from_the_unpacked_images(self):
        pattern, table = self.write_tars(), self.path("train.csv")
        building.build(self.config("unpacked", dataset="gldv2", train_csv=table))
        building.build(self.config("packed", dataset="gldv2", train_csv=table, images_dir="",
                                   from_tars=pattern))
        self.assert_same_shards("unpacked", "packed")

    def test_image_that_no_tar_has(self):
        pattern = self.write_tars()
        os.remove(self.path("images_001.tar"))
        manifest = building.build(self.config(
            dataset="gldv2", train_csv=self.path("train.csv"), images_dir="", from_tars=pattern,
            max_bad_fraction=0.5))
        self.assertEqual({entry["reason"] for entry in manifest.left_out}, {"missing"})
        self.assertEqual(sum(split.num_examples for split in manifest.splits.values()), 8)

    def find(self, pattern: str) -> tar_members.TarMembers:
        return tar_members.find_members(pattern, self.path("found"), jobs.JobConfig())

    def test_refuses_no_file(self):
        with self.assertRaisesRegex(FileNotFoundError, "`from_tars` must match a tar file. Received: .*none"):
            self.find(self.path("none*.tar"))

    def test_refuses_compressed_files(self):
        with self.assertRaisesRegex(ValueError, r"images_00\d.tar must be a whole tar file, not compressed"):
            self.find(self.write_tars("w:gz"))

    def test_refuses_truncated_files(self):
        pattern = self.write_tars()
        for size in (2000, 700, 512):
            os.truncate(self.path("images_002.tar"), size)
            with self.assertRaisesRegex(ValueError, "images_002.tar must be a whole tar file"):
                self.find(pattern)

    def test_refuses_a_name_in_two_files(self):
        pattern = self.write_tars()
        os.link(self.path("images_000.tar"), self.path("images_003.tar"))
        with self.assertRaisesRegex(ValueError, "one tar file only. Received: '0/1/2/0120.jpg' twice"):
            self.find(pattern)

    def test_refuses_tars_without_files(self):
        with tarfile.open(self.path("empty.tar"), "w"):
            pass
        with self.assertRaisesRegex(ValueError, "must hold images. Received: none in 1 files"):
            self.find(self.path("empty.tar"))


if __name__ == "__main__":
    unittest.main()
