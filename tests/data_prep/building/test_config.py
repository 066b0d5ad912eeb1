"""A build is refused before it starts when its settings make no sense."""

import dataclasses
import json
import unittest

from data_prep.building.config import BuildConfig


class BuildConfigTest(unittest.TestCase):
    def config(self, dataset="folder", images_dir="in", **settings) -> BuildConfig:
        return BuildConfig(dataset, images_dir, "out", **settings)

    def test_json_holds_it(self):
        config = self.config("gldv2", train_csv="t.csv", upright=False)
        self.assertEqual(BuildConfig(**json.loads(json.dumps(dataclasses.asdict(config)))), config)

    def test_boxes_keep_images_from_being_turned(self):
        self.assertTrue(self.config().turns_upright)
        self.assertFalse(self.config(upright=False).turns_upright)
        self.assertFalse(self.config("revisited", ground_truth="g.mat").turns_upright)

    def test_refuses_what_is_out_of_range(self):
        for message, bad in (
                ("`dataset` must be one of gldv2, .* Received: dataset='x'", {"dataset": "x"}),
                ("`part` must be one of train, index, test. .*'all'", {"dataset": "gldv2", "part": "all"}),
                ("`class_split` must be one of official, unseen", {"dataset": "cub", "class_split": "x"}),
                (r"`num_shards` must be in \[0, 99999\]", {"num_shards": -1}),
                (r"`num_shards` must be in \[0, 99999\]. .*=100000", {"num_shards": 100_000}),
                ("`max_pixels` must be at least 1", {"max_pixels": 0}),
                (r"`max_bad_fraction` must be in \[0, 1\]", {"max_bad_fraction": 1.5}),
                (r"`test_fraction` must be in \[0, 1\). .*=1", {"dataset": "day_night", "test_fraction": 1}),
                (r"`validation_fraction` must be in \[0, 1\)", {"validation_fraction": -0.1}),
                ("`heldout_class_fraction` must be 0 for dataset=day_night",
                 {"dataset": "day_night", "heldout_class_fraction": 0.1})):
            with self.subTest(message), self.assertRaisesRegex(ValueError, message):
                self.config(**bad)

    def test_refuses_a_set_without_its_tables(self):
        for message, bad in (
                ("dataset=revisited needs `ground_truth`. Received: none", {"dataset": "revisited"}),
                ("dataset=list needs `image_list`", {"dataset": "list"}),
                ("gldv2 needs `train_csv` or `train_clean_csv`", {"dataset": "gldv2"}),
                ("part=index needs `index_csv`", {"dataset": "gldv2", "part": "index"}),
                ("part=test needs `test_csv`", {"dataset": "gldv2", "part": "test", "index_csv": "i.csv"}),
                ("needs `images_dir` or `from_tars`", {"images_dir": ""}),
                ("distractors with `from_tars` needs `image_list`",
                 {"dataset": "distractors", "images_dir": "", "from_tars": "*.tar"})):
            with self.subTest(message), self.assertRaisesRegex(ValueError, message):
                self.config(**bad)

    def test_refuses_settings_of_another_set(self):  # a slip that would go unseen for hours
        for message, bad in (
                ("`train_csv` belongs to dataset=gldv2. Received: train_csv=t.csv with dataset=folder",
                 {"train_csv": "t.csv"}),
                ("`class_split` belongs to dataset=cub or dogs", {"class_split": "unseen"}),
                ("`from_tars` belongs to dataset=gldv2 or list", {"from_tars": "*.tar"}),
                ("`exclude_csv` belongs to part=train. Received: exclude_csv=e.csv with part=index",
                 {"dataset": "gldv2", "part": "index", "index_csv": "i.csv", "exclude_csv": "e.csv"})):
            with self.subTest(message), self.assertRaisesRegex(ValueError, message):
                self.config(**bad)


if __name__ == "__main__":
    unittest.main()
