"""The script prints what is in a dataset and draws a sheet."""

import unittest

import cv2

from tests.fixtures import scripts
from tests.fixtures.datasets import DatasetTest


class InspectTest(DatasetTest):
    def test_tables_and_sheet(self):
        self.settings["left_out"] = ({"image": "bad.jpg", "reason": "zero bytes"},)
        self.settings["sources"] = {"train_csv": {"path": "tables/train.csv", "sha256": "ab" * 32}}
        self.settings["unlisted"] = {"count": 7, "examples": ["stray.jpg"]}
        self.write()
        sheet = self.path("sheet.png")
        done = scripts.run("data_prep.inspect", dataset_dir=self.folder, output=sheet, num_images=16)
        self.assertEqual(done.returncode, 0, done.stderr)
        for line in (r"dataset=folder, seed=0, 3 classes to train on", r"\n +train +query +index",
                     r"\n +images +6 +2 +3 ", r"\n +x +0 +2 +- +-", r"train_csv +tables/train.csv +abab",
                     r"7 more images lay there, but in no table, such as stray.jpg", r"Left out: 1",
                     r"zero bytes +1 +bad.jpg", r"Contact sheet of \d+ x \d+ pixels"):
            self.assertRegex(done.stdout, line)
        self.assertGreater(cv2.imread(sheet).std(), 10)


if __name__ == "__main__":
    unittest.main()
