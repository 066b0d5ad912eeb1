"""The script names what is wrong and exits with 1; after a repair it exits with 0 and one line."""

import json
import os
import tempfile
import unittest

from data_prep.building import building
from data_prep.building.config import BuildConfig
from tests.fixtures import photographs, scripts


class ValidateTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        images_dir, self.folder = (os.path.join(directory.name, name) for name in ("images", "shards"))
        self.output = os.path.join(directory.name, "report.json")
        for number in range(6):
            os.makedirs(os.path.join(images_dir, f"class{number % 2}"), exist_ok=True)
            with open(os.path.join(images_dir, f"class{number % 2}", f"{number}.jpg"), "wb") as file:
                file.write(photographs.jpeg(number))
        building.build(BuildConfig("folder", images_dir, self.folder, validation_fraction=0))
        with open(os.path.join(self.folder, "train-00000-of-00001"), "rb+") as file:
            file.seek(200)
            file.write(b"damage")

    def test_names_what_is_wrong(self):
        done = scripts.run("data_prep.validate", dataset_dir=self.folder, output=self.output, decode=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stdout, r"^damaged record: 1\n  train-00000-of-00001 record 0 at byte 0: CRC "
                                      r"of (?s:.*)\n2 problems in .*: 6 images in 1 shards, .*/s\.\n"
                                      r"The report is in .*\.\nnext: the same command with "
                                      r"--rebuild_bad_shards\n$")
        with open(self.output) as file:
            self.assertEqual(json.load(file)["num_problems"], 2)

    def test_refuses_before_the_work_to_rebuild_what_cannot_be_written(self):
        done = scripts.run("data_prep.validate", dataset_dir=f"{__file__}/x", rebuild_bad_shards=True)
        self.assertRegex(done.stderr, r"\AError: `dataset_dir` must be a folder that can be written to, but "
                                      r".* is no folder. Received: [^\n]*\n\Z")

    def test_rebuilds_and_checks_again(self):
        done = scripts.run("data_prep.validate", dataset_dir=self.folder, rebuild_bad_shards=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"\nBuilt again: train-00000-of-00001\.\n"
                                      r"Nothing is wrong in .*: 6 images in 1 shards, ")


if __name__ == "__main__":
    unittest.main()
