"""vae.evaluate as a command: what it prints and writes, and how it fails."""

import json
import pathlib
import subprocess
import sys

from tests.data_prep.temporary_files import FilesTest
from tests.vae.day_night_shards import build_shards

ROOT = pathlib.Path(__file__).parents[2]


def run(module, **flags):
    command = [sys.executable, "-m", module, *(f"--{name}={value}" for name, value in flags.items())]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


class EvaluateScriptTest(FilesTest):
    def test_writes_scores_and_names_the_file_that_is_missing(self):
        train, test = build_shards(self.directory, num_places=6, views=1)
        flags = {"pattern": test, "train_pattern": train, "output": self.path("metrics.json"),
                 "image_size": 32}
        finished = run("vae.evaluate", **flags)
        self.assertEqual(finished.returncode, 0, finished.stderr)
        self.assertIn("3 places", finished.stdout)
        with open(self.path("metrics.json"), encoding="utf-8") as file:
            scores = json.load(file)
        self.assertEqual(scores["night_to_day"]["raw_pixels"]["R@1"], 100)
        failed = run("vae.evaluate", **flags, vgg16_weights="nothing.h5")
        self.assertEqual(failed.returncode, 1)
        self.assertEqual(failed.stderr.strip().splitlines()[-1],
                         "Error: `vgg16_weights` must be a file. Received: nothing.h5.")
