"""The script builds from flags alone, and fails with one line."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

from tests.data_prep import photographs


def run_script(*flags: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "data_prep.build_tfrecords", *flags], capture_output=True,
                          text=True, check=False, timeout=120)


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
        done = run_script("--dataset=folder", f"--images_dir={images_dir}", f"--output_dir={output_dir}",
                          "--num_shards=2", "--validation_fraction=0.2")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.splitlines(), [
            "train: 8 images of 2 classes in 2 shards", "validation: 2 images of 2 classes in 2 shards",
            f"left out: 0 images; see {os.path.join(output_dir, 'dataset.json')}"])
        with open(os.path.join(output_dir, "dataset.json")) as file:
            self.assertEqual(json.load(file)["labels"], ["class0", "class1"])

    def test_fails_with_one_line(self):
        table = os.path.join(self.directory, "train.csv")
        with open(table, "w") as file:
            file.write("name,landmark_id\nabc,1\n")
        done = run_script("--dataset=gldv2", f"--images_dir={self.directory}", f"--train_csv={table}",
                          f"--output_dir={self.directory}/shards")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr.splitlines()[-1], f"Error: Table {table} must have the columns id, "
                                                       "landmark_id. Received: name, landmark_id.")
        self.assertNotIn("Traceback", done.stderr)
        self.assertFalse(os.path.exists(f"{self.directory}/shards"))


if __name__ == "__main__":
    unittest.main()
