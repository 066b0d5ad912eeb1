"""Small finished datasets for the tests, to be broken in every way."""

import json
import os
import tempfile
import unittest
from unittest import mock

from data_prep import example, jobs, record_file, shards, validation
from data_prep.manifest import Manifest, Split, save_manifest
from tests.data_prep import photographs


def run_here(_title, function, items, _results_dir, _config, sizes=()):
    """`jobs.run` without Beam; results pass through JSON all the same."""
    return {item: json.loads(json.dumps(function(item))) for item in items}


def encode(image_id="a", label=0, encoded=None, image_format="JPEG", height=48, width=64, **fields) -> bytes:
    return example.encode_example(encoded or photographs.jpeg(), image_id, image_format, height, width,
                                  label=label, **fields)


class DatasetTest(unittest.TestCase):
    """A folder for a set of train (6 images, 3 classes, 2 shards), query (2 images) and index (3 images)."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.folder = directory.name
        patch = mock.patch.object(jobs, "run", run_here)
        patch.start()
        self.addCleanup(patch.stop)
        self.examples = {
            "train": [[encode(f"t{row}", row % 3, photographs.jpeg(row)) for row in range(3)],
                      [encode(f"t{row}", row % 3, photographs.jpeg(row)) for row in range(3, 6)]],
            "query": [[encode(f"q{row}", None, query_bbox=[1, 2, 30, 40]) for row in range(2)]],
            "index": [[encode(f"i{row}", None) for row in range(3)]]}
        self.label_ranges = {"train": (0, 3)}
        self.settings = {"labels": ("x", "y", "z"), "num_classes": 3, "left_out": (), "ground_truth": {
            "imlist": ["i0", "i1", "i2"], "qimlist": ["q0", "q1"],
            "gnd": [{"bbx": [1, 2, 30, 40], "easy": [0], "hard": [1], "junk": []},
                    {"bbx": [1, 2, 30, 40], "easy": [], "hard": [2], "junk": [0]}]}}

    def write(self, **split_changes) -> None:
        """Writes shards and dataset.json as a build would."""
        splits = {}
        for name, parts in self.examples.items():
            written = [shards.write_shard(os.path.join(self.folder, shards.shard_name(name, row, len(parts))),
                                          part) for row, part in enumerate(parts)]
            label_range = self.label_ranges.get(name)
            settings = {"num_examples": sum(map(len, parts)), "num_classes": 3 if label_range else 0,
                        "label_range": label_range, "shards": tuple(written)}
            splits[name] = Split(**{**settings, **split_changes.get(name, {})})
        save_manifest(Manifest(path="", dataset="folder", seed=0, splits=splits, **self.settings),
                      self.folder)

    def path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def problems(self, **settings) -> dict:
        """Kind -> lines."""
        report = validation.validate(self.folder, **settings)
        found = {}
        for problem in report.problems:
            found.setdefault(problem.kind, []).append(str(problem))
        self.assertEqual({kind: len(lines) for kind, lines in found.items()}, report.counts)
        return found

    def change(self, name: str, offset: int, content: bytes) -> None:
        with open(self.path(name), "rb+") as file:
            file.seek(offset)
            file.write(content)

    def offsets(self, name: str) -> list:
        return [start for start, _ in record_file.record_spans(self.path(name))]
