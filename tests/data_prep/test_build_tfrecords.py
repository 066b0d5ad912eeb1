"""The script builds from flags alone, and fails with one line."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

from data_prep.building.config import BuildConfig
from data_prep.stage.jobs import JobConfig
from tests.fixtures import photographs, scripts


def read_flags(*flags: str) -> subprocess.CompletedProcess:
    """The settings that flags lead to, on stdout, without a build."""
    code = ("from absl import app\nfrom data_prep import build_tfrecords as script\n"
            "app.run(lambda _: print(script._build_config(), script._job_config()))")
    return subprocess.run([sys.executable, "-c", code, *flags], capture_output=True, text=True, check=False,
                          timeout=120)


class BuildFlagsTest(unittest.TestCase):
    def test_settings_of_set_and_job(self):
        done = read_flags("--dataset=cub", "--images_dir=in", "--output_dir=out", "--class_split=unseen",
                          "--noupright", "--runner=FlinkRunner", "--runner_options=--flink_master=host:1",
                          "--runner_options=--experiments=a,b", "--num_workers=3")
        config = BuildConfig("cub", "in", "out", class_split="unseen", upright=False)
        job = JobConfig("FlinkRunner", ("--flink_master=host:1", "--experiments=a,b"), 3)
        self.assertEqual(done.stdout, f"{config} {job}\n", done.stderr)

    def test_defaults_are_those_of_the_settings(self):
        done = read_flags("--dataset=gldv2", "--from_tars=*.tar", "--output_dir=out", "--train_csv=t.csv")
        config = BuildConfig("gldv2", "", "out", from_tars="*.tar", train_csv="t.csv")
        self.assertEqual(done.stdout, f"{config} {JobConfig()}\n", done.stderr)


class BuildTFRecordsTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def test_builds_and_says_what(self):
        images_dir, output_dir = (os.path.join(self.directory, name) for name in ("images", "shards"))
        for number in range(10):
            os.makedirs(os.path.join(images_dir, f"class{number % 2}"), exist_ok=True)
            with open(os.path.join(images_dir, f"class{number % 2}", f"{number}.jpg"), "wb") as file:
                file.write(photographs.jpeg(seed=number))
        done = scripts.run("data_prep.build_tfrecords", dataset="folder", images_dir=images_dir,
                           output_dir=output_dir, num_shards=2, validation_fraction=0.2)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.splitlines(), [
            "train: 8 images of 2 classes in 2 shards", "validation: 2 images of 2 classes in 2 shards",
            f"left out: 0 images; see {os.path.join(output_dir, 'dataset.json')}",
            f"next: python -m delg.train --train_pattern='{output_dir}/train-*' --model_dir=MODEL"])
        with open(os.path.join(output_dir, "dataset.json")) as file:
            self.assertEqual(json.load(file)["labels"], ["class0", "class1"])

    def test_fails_with_one_line(self):
        done = scripts.run("data_prep.build_tfrecords", dataset="folder", images_dir=self.directory,
                           output_dir=f"{self.directory}/shards", validation_fraction=2)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr.splitlines()[-1],
                         "^Error: `validation_fraction` must be in .*Received: validation_fraction=2")
        self.assertNotIn("Traceback", done.stderr)
        self.assertFalse(os.path.exists(f"{self.directory}/shards"))


if __name__ == "__main__":
    unittest.main()
