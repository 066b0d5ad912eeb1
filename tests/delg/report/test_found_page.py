"""delg.report.found_page: queries, verdicts, hits and boxes on a page that loads nothing."""

import base64
import dataclasses
import os
import tempfile
import unittest
from unittest import mock

import numpy as np

from delg.photos import found_page as photos_page
from delg.photos.finding import Findings
from delg.report import found_page
from delg.scores.found import ONLY_ALIKE, SAME, UNSURE, FoundForQuery, FoundImage
from tests.fixtures.html_page import HtmlPage

_HITS = (FoundImage("in/gate <1>.jpg", 1, 0.9, 41, 0.998, SAME, (10.0, 5.0, 60.0, 55.0)),
         FoundImage("in/door.jpg", 2, 0.8, 9, 0.5, UNSURE),
         FoundImage("in/sky.jpg", 3, 0.7, 1, 0.002, ONLY_ALIKE),
         FoundImage("in/sea.jpg", 4, 0.25))
_FOUND = (FoundForQuery("mine/gate.jpg", _HITS, SAME, (20, 20, 80, 70)),
          FoundForQuery("mine/cat.jpg", (), "not in this collection"))


def _views(calls=None):
    generator = np.random.default_rng(0)
    image = generator.integers(0, 255, (75, 100, 3)).astype(np.uint8)

    def match(query, hit):
        if calls is not None:
            calls.append((query.query, hit.image))
        points = generator.uniform(0, 70, (max(hit.num_inliers, 0), 2))
        return found_page.DrawnMatch(points, points, np.array([[10, 5], [60, 5], [60, 55.0]]))

    return found_page.Views(lambda _: image, lambda _: image, match)


class FoundPageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder, cls.calls = folder.name, []
        cls.path = found_page.write_found_page(
            os.path.join(cls.folder, "found.html"), _FOUND, _views(cls.calls), num_large=2,
            note="Among 4 photographs.", settings=[{"name": "Search", "rows": [("matcher", "mutual")]}])
        with open(cls.path, encoding="utf-8") as file:
            cls.text = file.read()
        cls.page = HtmlPage(cls.text)

    def _text(self, tag, **attributes):
        return [" ".join(element["text"].split()) for element in self.page.find(tag, **attributes)]

    def test_verdict_in_words_and_hits_with_all_that_is_known(self):
        self.assertEqual(self._text("p", class_="scores"), ["found", "not in this collection"])
        self.assertEqual(self._text("figure", class_="hit"), [
            "✓ same #1 probability over 99 % 41 inliers similarity 0.900 in/gate <1>.jpg",
            "? unsure #2 probability 50 % 9 inliers similarity 0.800 in/door.jpg",
            "≈ only alike #3 probability under 1 % 1 inlier similarity 0.700 in/sky.jpg",
            "#4 not verified similarity 0.250 in/sea.jpg"])
        self.assertIn("Nothing was found.", self._text("p", class_="note"))

    def test_of_many_queries_one_hit_each_is_large_and_only_the_same(self):
        calls = []
        doubtful = FoundForQuery("mine/sea.jpg", _HITS[1:], UNSURE)
        found = [*_FOUND, doubtful] * 20
        with mock.patch("delg.photos.found_page.Views", lambda *_: _views(calls)):
            photos_page.write_html(os.path.join(self.folder, "many.html"), Findings(found, {}, 4, "."))
        self.assertEqual(calls, [("mine/gate.jpg", _HITS[0].image)] * 20)

    def test_first_hits_are_large_with_lines_and_box(self):
        self.assertEqual(self.calls, [("mine/gate.jpg", hit.image) for hit in _HITS[:2]])
        self.assertEqual(len(self.page.find("figure", class_="wide")), 2)
        self.assertTrue(self.page.find("img")[1]["alt"].endswith("lines, the place of the query framed"))

    def test_what_is_only_alike_has_no_frame(self):
        hit = FoundImage("sky.jpg", 1, 0.7, 30, 0.01, ONLY_ALIKE, (10.0, 5.0, 60.0, 55.0))
        for verdict, framed in ((ONLY_ALIKE, 0), (UNSURE, 1), (None, 1)):
            hits = (dataclasses.replace(hit, verdict=verdict),)
            with tempfile.TemporaryDirectory() as folder, \
                    mock.patch("delg.pictures.drawing.draw_outline") as thumbnail:
                path = found_page.write_found_page(os.path.join(folder, "a.html"),
                                                   [FoundForQuery("q", hits, None)], _views())
                with open(path, encoding="utf-8") as file:
                    pictures = HtmlPage(file.read()).find("img")
            self.assertEqual(thumbnail.call_count, 2 * framed)  # in the large picture, and in the small one
            self.assertEqual(sum("framed" in picture["alt"] for picture in pictures), framed)

    def test_summary_counts_queries(self):
        self.assertEqual(self._text("p", class_="lead"), [
            "2 queries: 1 found, 0 perhaps found, 1 not found."])

    def test_loads_nothing_and_names_every_picture(self):
        for element in self.page.elements:
            self.assertTrue(element.get("src", "data:").startswith("data:"))
            self.assertTrue(element.get("href", "#").startswith(("#", "data:text/csv;")))
        self.assertTrue(all(picture["alt"].strip() for picture in self.page.find("img")))
        self.assertNotRegex(self.text, r"<script |@import|url\((?!#)|https?://")
        self.assertIn("in/gate &lt;1&gt;.jpg", self.text)

    def test_links_lead_to_elements(self):
        ids = [element["id"] for element in self.page.elements if "id" in element]
        self.assertEqual(len(ids), len(set(ids)))
        self.assertLessEqual({link["href"][1:] for link in self.page.find("a") if "download" not in link},
                             set(ids))
        self.assertIn("query-2", {link["href"][1:] for link in self.page.find("a")})

    def test_hits_can_be_saved(self):
        (link,) = [link for link in self.page.find("a") if "download" in link]
        self.assertEqual(link["download"], "hits.csv")
        lines = base64.b64decode(link["href"].partition(";base64,")[2]).decode().splitlines()
        self.assertEqual(lines[:2], ["query,rank,image,verdict,probability,num_inliers,similarity",
                                     "mine/gate.jpg,1,in/gate <1>.jpg,same,0.998,41,0.9"])
        self.assertEqual(len(lines), 1 + 4)

    def test_hits_nobody_judged(self):
        hits = tuple(FoundImage(f"{rank}", rank, 0.5, 3) for rank in (1, 2))
        with tempfile.TemporaryDirectory() as folder:
            path = found_page.write_found_page(os.path.join(folder, "a.html"), [FoundForQuery("q", hits)],
                                               _views())
            with open(path, encoding="utf-8") as file:
                text = file.read()
        lead = HtmlPage(text).find("p", class_="lead")[0]["text"]
        self.assertEqual(lead, "1 query; nobody has judged the hits.")
        self.assertNotIn("the same", text)


if __name__ == "__main__":
    unittest.main()
