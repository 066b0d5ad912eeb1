"""A build is refused before it starts when its settings make no sense."""

import unittest

from data_prep.building import plan
from data_prep.building.config import BuildConfig


class BuildConfigTest(unittest.TestCase):
    def test_refuses_what_is_out_of_range(self):
        for message, bad in (("`dataset` must be one of gldv2, .* Received: dataset='x'", {"dataset": "x"}),
                             (r"`num_shards` must be in \[0, 99999\]", {"num_shards": -1}),
                             (r"`num_shards` must be in \[0, 99999\]. .*=100000", {"num_shards": 100_000}),
                             ("`max_pixels` must be at least 1", {"max_pixels": 0}),
                             (r"`max_bad_fraction` must be in \[0, 1\]", {"max_bad_fraction": 1.5}),
                             ("dataset=revisited needs `ground_truth`", {"dataset": "revisited"})):
            with self.subTest(message), self.assertRaisesRegex(ValueError, message):
                BuildConfig(**{"dataset": "folder", "images_dir": "in", "output_dir": "out", **bad})

    def test_refuses_a_missing_folder(self):
        with self.assertRaisesRegex(FileNotFoundError, "`images_dir` must be a folder. Received: .*absent"):
            plan.make_plan(BuildConfig("folder", "absent", "out"))


if __name__ == "__main__":
    unittest.main()
