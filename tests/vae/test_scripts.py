"""vae.evaluate as a command: what it prints and writes."""

import json
import pathlib
import subprocess
import sys

from tests.fixtures.day_night_shards import build_shards
from tests.fixtures.temporary_files import FilesTest

ROOT = pathlib.Path(__file__).parents[2]


def run(module, **flags):
    command = [sys.executable, "-m", module, *(f"--{name}={value}" for name, value in flags.items())]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


class EvaluateScriptTest(FilesTest):
    def test_prints_and_writes_scores(self):
        train, test = build_shards(self.directory, num_places=6, views=1)
        finished = run("vae.evaluate", pattern=test, train_pattern=train, output=self.path("metrics.json"),
                       image_size=32)
        self.assertEqual(finished.returncode, 0, finished.stderr)
        self.assertIn("3 places", finished.stdout)
        with open(self.path("metrics.json"), encoding="utf-8") as file:
            scores = json.load(file)
        self.assertEqual(scores["night_to_day"]["raw_pixels"]["R@1"], 100)
