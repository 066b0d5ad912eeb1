"""vae.evaluate as a command: what it prints and writes."""

import json

from tests.fixtures import scripts
from tests.fixtures.day_night_shards import build_shards
from tests.fixtures.temporary_files import FilesTest


class EvaluateScriptTest(FilesTest):
    def test_prints_and_writes_scores(self):
        train, test = build_shards(self.directory, num_places=6, views=1)
        finished = scripts.run("vae.evaluate", pattern=test, train_pattern=train,
                               output=self.path("metrics.json"), image_size=32)
        self.assertEqual(finished.returncode, 0, finished.stderr)
        self.assertIn("3 places", finished.stdout)
        with open(self.path("metrics.json"), encoding="utf-8") as file:
            scores = json.load(file)
        self.assertEqual(scores["night_to_day"]["raw_pixels"]["R@1"], 100)
