"""Photographs of a folder brought together by one command, as a user types it."""

import csv
import json
import pathlib
import tempfile
import unittest
from unittest import mock

import cv2
import numpy as np

from delg.exports.extraction_module import ExtractionModule
from delg.geometry.verdict import INPUTS, VerdictModel
from delg.photos import groups, groups_page
from tests.fixtures import scripts
from tests.fixtures.html_page import HtmlPage
from tests.fixtures.tiny_extraction import RECEPTIVE_FIELD, as_png, tiny_model
from tests.fixtures.walls import SHIFT_YX, wall

# Same from 30 inliers on: log(2) * 20 - 12 > 0.
MODEL = VerdictModel(np.eye(len(INPUTS))[INPUTS.index("inliers")] * 20, -12.0, 0.5, 0.4)


class GroupImagesTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.saved_model = self.folder / "saved_model"
        ExtractionModule(tiny_model(), RECEPTIVE_FIELD, attention_threshold=0.0).save(str(self.saved_model))
        (self.folder / "photos").mkdir()
        for name, pixels in (("a", wall(0)), ("again", wall(0, SHIFT_YX)), ("copy", wall(0)), ("z", wall(1))):
            (self.folder / f"photos/{name}.png").write_bytes(as_png(pixels))

    def call(self, output):
        with mock.patch("delg.photos.groups.verdict_for", lambda has_local, path: MODEL):
            return scripts.run("delg.group_images", images_dir=self.folder / "photos",
                               saved_model=self.saved_model, output=output, score_threshold=0,
                               max_num_features=300)

    def test_two_views_and_a_copy_are_one_group(self):
        done = self.call(self.folder / "groups.csv")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("1 group of 3 photographs, 1 alone", done.stdout)
        with open(self.folder / "groups.csv", encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
        self.assertEqual(rows[0], ["image", "group"])
        self.assertEqual([(pathlib.Path(image).name, group) for image, group in rows[1:]],
                         [("a.png", "0"), ("again.png", "0"), ("copy.png", "0"), ("z.png", "1")])
        done = self.call(self.folder / "groups.json")
        first, second = json.loads((self.folder / "groups.json").read_text())["groups"]
        self.assertEqual([pathlib.Path(path).name for path in first["same_file"][0]], ["a.png", "copy.png"])
        self.assertEqual((len(first["same_file"]), first["same_picture"], second["same_file"]), (1, [], []))
        self.assertIn(first["medoid"], first["images"])
        self.assertEqual(second["images"], [second["medoid"]])

    def test_a_picture_in_another_encoding_is_told_from_another_view(self):
        blurred = cv2.GaussianBlur(wall(0), (3, 3), 0)  # what another encoding may do
        (self.folder / "photos/encoded.png").write_bytes(as_png(blurred))
        self.assertEqual(self.call(self.folder / "groups.json").returncode, 0)
        first, *_ = json.loads((self.folder / "groups.json").read_text())["groups"]
        self.assertEqual([[pathlib.Path(path).name for path in pair] for pair in first["same_picture"]],
                         [["a.png", "encoded.png"], ["copy.png", "encoded.png"]])

    def test_a_page_shows_each_group_with_its_repeats(self):
        done = self.call(self.folder / "groups.html")
        self.assertEqual(done.returncode, 0, done.stderr)
        page = HtmlPage((self.folder / "groups.html").read_text())
        texts = [" ".join(found["text"].split()) for found in page.find("figure", class_="hit")]
        medoid = page.find("h3")[0]["text"].strip()
        self.assertEqual(sorted([medoid, *(text.split()[-1] for text in texts)]),
                         ["a.png", "again.png", "copy.png"])
        self.assertTrue(any(text.startswith("= same file as ") for text in texts))
        self.assertEqual([found["text"].strip() for found in page.find("li")], ["z.png"])
        self.assertTrue(all(found["src"].startswith("data:image/jpeg") for found in page.find("img")))

    def test_no_groups_make_a_page_too(self):
        path = self.folder / "groups.html"
        groups_page.write_html(str(path), [groups.Group([str(self.folder / "photos/z.png")], "", [], [])])
        self.assertIn("No two photographs show one thing", path.read_text())

    def test_groups_have_on_the_page_the_numbers_that_the_table_gives_them(self):
        one, two, three = (str(self.folder / f"photos/{name}.png") for name in ("z", "a", "again"))
        path = self.folder / "groups.html"
        groups_page.write_html(str(path), [groups.Group([one], one, [], []),
                                           groups.Group([two, three], two, [], [])])
        (said,) = HtmlPage(path.read_text()).find("p", class_="scores")
        self.assertEqual(" ".join(said["text"].split()), "2 photographs, group 1")

    def test_refuses_another_suffix_before_the_work(self):
        done = self.call(self.folder / "groups.txt")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("`output` must end in .csv, .json, .html.", done.stderr)


if __name__ == "__main__":
    unittest.main()
