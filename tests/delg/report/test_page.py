"""Tests of the report as a page."""

import base64
import collections
import csv
import dataclasses
import io
import json
import os
import re
import tempfile
import unittest
from unittest import mock

import numpy as np

from delg.features import reader
from delg.report import cards
from delg.report import page as report_page
from delg.scores.ranking import read_ranking, write_ranking
from delg.settings.report import ReportConfig
from tests.fixtures import scripts, tiny_search
from tests.fixtures.html_page import HtmlPage


def _config(folder, **changes):
    return ReportConfig(**{**tiny_search.report_paths(folder), **changes})


def _read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


class PageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        tiny_search.make_search(cls.folder)
        cls.config = _config(cls.folder, baseline_metrics=os.path.join(cls.folder, "metrics.json"),
                             title="Tiny <b>search</b>")
        cls.path = report_page.make_report(cls.config)
        cls.text = _read(cls.path)
        cls.page = HtmlPage(cls.text)

    def _article(self, query_id):
        """The card of a query as a page of its own."""
        (card,) = [part for part in re.findall(r"<article.*?</article>", self.text, re.DOTALL)
                   if HtmlPage(part).find("h3")[0]["text"] == query_id]
        return HtmlPage(card)

    def test_is_one_file(self):
        self.assertEqual(os.listdir(os.path.join(self.folder, "report")), ["index.html"])
        self.assertLess(len(self.text), 2e6)

    def test_refers_to_nothing_outside(self):
        for element in self.page.elements:
            for name in ("src", "href", "xlink:href", "action", "data", "srcset"):
                value = element.get(name) or "#"
                self.assertTrue(value.startswith(
                    ("#", "data:image/jpeg;base64,", "data:application/json;", "data:text/csv;")), value[:80])
        self.assertEqual(["src" in script for script in self.page.find("script")], [False])
        self.assertEqual(self.page.find("link"), [])
        self.assertNotRegex(self.text, r"@import|url\((?!#)|https?://")

    def test_links_lead_to_elements_and_ids_are_unique(self):
        ids = collections.Counter(element["id"] for element in self.page.elements if "id" in element)
        self.assertEqual([name for name, count in ids.items() if count > 1], [])
        links = [element["href"][1:] for element in self.page.find("a") if "download" not in element]
        self.assertGreater(len(links), 5)
        self.assertLessEqual(set(links), set(ids))

    def test_every_picture_has_a_text(self):
        pictures = self.page.find("img")
        self.assertGreater(len(pictures), 20)
        self.assertTrue(all(picture["alt"].strip() for picture in pictures))
        self.assertIn("Precision over recall", self.page.find("svg")[0]["aria-label"])

    def test_names_are_escaped(self):
        self.assertNotIn("<script>alert", self.text)
        self.assertNotIn("<b>search</b>", self.text)
        self.assertEqual(self.page.find("h1")[0]["text"], "Tiny <b>search</b>")
        self.assertIn(tiny_search.QUERY_A, [heading["text"] for heading in self.page.find("h3")])

    def test_every_query_is_there_in_the_table_and_in_full(self):
        headings = [heading["text"] for heading in self.page.find("h3") if "article" in heading["inside"]]
        self.assertCountEqual(headings, tiny_search.QUERY_IDS)
        self.assertLessEqual(set(tiny_search.QUERY_IDS), {cell["text"] for cell in self.page.find("th")})

    def test_lists_before_and_after_with_kinds_ranks_and_inliers(self):
        hits = self._article(tiny_search.QUERY_A).find("figure", class_="hit")
        before, after = hits[:6], hits[6:12]
        self.assertEqual([hit["class"] for hit in before],
                         ["hit wrong", "hit junk", "hit easy", "hit hard", "hit wrong", "hit wrong"])
        self.assertEqual([hit["class"] for hit in after],
                         ["hit easy", "hit hard", "hit wrong", "hit junk", "hit wrong", "hit wrong"])
        texts = [" ".join(hit["text"].split()) for hit in after]
        self.assertEqual(texts[0], "✓ easy #1 cosine 0.889 40 inliers near")
        self.assertRegex(texts[1], "^✓ hard #2 cosine 0.651 40 inliers far$")
        self.assertRegex(texts[2], r"^✗ wrong #3 cosine 0.994 \d+ inliers? trap$")
        self.assertRegex(texts[3], r"^– junk #4 cosine 0.963 \d+ inliers? junk$")
        self.assertRegex(texts[5], "^✗ wrong #6 cosine 0.000 not verified plain$")

    def test_scores_of_a_query(self):  # before: places 1 and 2 without junk, after: 0 and 1
        card = self._article(tiny_search.QUERY_A)
        self.assertIn("100.0 average precision, Medium · 41.7 before verification · ▲ +58.3",
                      " ".join(card.find("p", class_="scores")[0]["text"].split()))

    def test_matched_keypoints_name_their_inliers(self):
        captions = [figure["text"].strip() for figure in
                    self._article(tiny_search.QUERY_A).find("figure", class_="wide")]
        self.assertEqual(captions, ["✓ easy rank 1, near: 40 inliers", "✓ hard rank 2, far: 40 inliers"])

    def test_a_query_without_positives_is_shown_as_such(self):
        self.assertIn("not scored", self._article("lost").find("p", class_="scores")[0]["text"])
        self.assertIn("no positives", self.page.find("tbody")[-3]["text"] + self.text)

    def test_table_has_the_scores_of_metrics_json(self):
        with open(self.config.metrics) as file:
            scores = json.load(file)
        table = self.page.find("table")[0]["text"]
        for stage in ("global", "verified"):
            for protocol in ("easy", "medium", "hard"):
                self.assertIn(f"{scores[stage][protocol]['mAP']:.1f}", table)
        self.assertIn("Untrained, global search", table)
        self.assertIn("Gain by verification", table)

    def test_settings_are_there(self):
        cells = [cell["text"] for cell in self.page.find("td")]
        self.assertEqual(cells[cells.index("min_inliers") + 1], "15")
        self.assertEqual(cells[cells.index("fingerprint") + 1], tiny_search.FINGERPRINT)

    def test_is_the_same_every_time(self):
        again = report_page.make_report(dataclasses.replace(self.config,
                                                       output_dir=os.path.join(self.folder, "b")))
        self.assertEqual(_read(again), self.text)

    def test_points_drawn_are_those_counted_by_the_search(self):
        ranking = read_ranking(self.config.ranking)
        with reader.FeatureReader(self.config.query_features) as query, \
                reader.FeatureReader(self.config.index_features) as index:
            maker = cards.CardMaker(ranking, query, index, {}, {})
            for row, column in np.ndindex(*ranking.transforms.shape[:2]):
                points = maker.matched_points(ranking.query_ids[row],
                                              ranking.index_ids[ranking.ranks[row, column]])
                self.assertEqual([len(part) for part in points], [ranking.num_inliers[row, column]] * 2)

    def test_scores_itself_without_metrics(self):
        again = report_page.make_report(dataclasses.replace(
            self.config, metrics="", output_dir=os.path.join(self.folder, "e")))
        self.assertEqual(HtmlPage(_read(again)).find("table")[0]["text"], self.page.find("table")[0]["text"])

    def test_fewer_queries_and_hits_on_request(self):
        path = report_page.make_report(dataclasses.replace(
            self.config, output_dir=os.path.join(self.folder, "c"), num_queries=1, num_successes=0,
            num_hits=2, num_listed=0))
        page = HtmlPage(_read(path))
        self.assertEqual(len(page.find("article")), 1)
        self.assertEqual(len(page.find("figure", class_="hit")), 4)

    def test_every_other_query_with_its_first_hits_in_a_folder_where_the_page_would_grow_too_large(self):
        output_dir = os.path.join(self.folder, "f")
        config = dataclasses.replace(self.config, output_dir=output_dir, num_queries=1, num_successes=0,
                                     num_hits=2)
        inside = HtmlPage(_read(report_page.make_report(config)))
        self.assertEqual(os.listdir(output_dir), ["index.html"])
        cards = [heading["text"] for heading in inside.find("h3") if "article" in heading["inside"]]
        self.assertCountEqual(cards, tiny_search.QUERY_IDS)
        self.assertEqual(len(inside.find("figure", class_="hit")), 4 + 2 * 2)
        with mock.patch.object(report_page, "_MAX_PICTURE_BYTES", 50_000):
            beside = HtmlPage(_read(report_page.make_report(config)))
        lazy = [picture["src"] for picture in beside.find("img") if not picture["src"].startswith("data:")]
        self.assertEqual(len(lazy), 2 * (1 + 2))
        for source in lazy:
            self.assertTrue(os.path.exists(os.path.join(output_dir, source)), source)
        report_page.make_report(config)
        self.assertEqual(os.listdir(output_dir), ["index.html"])

    def test_figures_can_be_saved(self):
        held = {link["download"]: base64.b64decode(link["href"].partition(";base64,")[2]).decode()
                for link in self.page.find("a") if "download" in link}
        with open(self.config.metrics) as file:
            self.assertEqual(json.loads(held["metrics.json"]), json.load(file))
        first, *rows = csv.reader(io.StringIO(held["queries.csv"]))
        self.assertEqual(first, ["query_id", "num_easy", "num_hard", "before", "after", "change",
                                 "first_positive", "first_wrong"])
        by_id = {row[0]: row[1:] for row in rows}
        self.assertCountEqual(by_id, tiny_search.QUERY_IDS)
        self.assertEqual(by_id[tiny_search.QUERY_A][:2], ["1", "1"])
        self.assertAlmostEqual(float(by_id[tiny_search.QUERY_A][3]), 100)
        self.assertEqual(by_id["lost"][2:6], ["", "", "", ""])

    def test_no_queries_in_full_leaves_the_tables(self):
        path = report_page.make_report(dataclasses.replace(
            self.config, output_dir=os.path.join(self.folder, "d"), num_queries=0, num_listed=0,
            query_images="none", index_images="none"))
        page = HtmlPage(_read(path))
        self.assertEqual(page.find("article"), [])
        self.assertIn(tiny_search.QUERY_A, {cell["text"] for cell in page.find("th")})


class ScriptTest(unittest.TestCase):
    def test_an_error_is_one_line_and_a_status(self):
        paths = {field.name: "x" for field in dataclasses.fields(ReportConfig)
                 if field.default is dataclasses.MISSING}
        done = scripts.run("delg.make_report", **paths, num_hits=0)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr, "Error: `num_hits` must be at least 1. Received: num_hits=0.\n")


class UnverifiedTest(unittest.TestCase):
    def test_a_search_without_verification(self):
        with tempfile.TemporaryDirectory() as folder:
            tiny_search.make_search(folder, verifier="none")
            page = HtmlPage(_read(report_page.make_report(_config(folder))))
        text = page.find("body")[0]["text"]
        self.assertIn("nothing was verified geometrically", text)
        self.assertNotIn("After verification", text)
        self.assertNotIn("inlier", "".join(card["text"] for card in page.find("article")))
        self.assertEqual(page.find("figure", class_="wide"), [])
        self.assertIn("Attention", text)


class RefusalTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        tiny_search.make_search(cls.folder)

    def _refuses(self, error, message, **changes):
        output_dir = os.path.join(self.folder, "refused")
        with self.assertRaisesRegex(error, message):
            report_page.make_report(_config(self.folder, **{"output_dir": output_dir, **changes}))
        self.assertFalse(os.path.exists(output_dir))

    def _changed_ranking(self, **changes):
        ranking = read_ranking(os.path.join(self.folder, "ranking.h5"))
        path = os.path.join(self.folder, "changed.h5")
        write_ranking(path, dataclasses.replace(ranking, **changes))
        return path

    def test_missing_files(self):
        self._refuses(FileNotFoundError, "`ranking` must be a file", ranking="none.h5")
        self._refuses(FileNotFoundError, "`metrics` must be a file", metrics="none.json")
        self._refuses(FileNotFoundError, "none.json does not exist", ground_truth="none.json")
        self._refuses(FileNotFoundError, "No feature shards match none", query_features="none-*.h5")
        self._refuses(FileNotFoundError, "No shard .* matches the pattern 'none-", index_images="none-*")
        self._refuses(FileNotFoundError, "`saved_model` must be the folder of", saved_model="none")

    def test_scores_of_another_ranking(self):
        path = os.path.join(self.folder, "other.json")
        with open(os.path.join(self.folder, "metrics.json")) as file:
            scores = json.load(file)
        scores["verified"]["medium"]["mAP"] = 12.5
        with open(path, "w") as file:
            json.dump(scores, file)
        self._refuses(ValueError, "`metrics` must be of this ranking. .*Medium mAP 12.5 .verified.",
                      metrics=path)

    def test_features_of_another_model(self):
        ranking = read_ranking(os.path.join(self.folder, "ranking.h5"))
        path = self._changed_ranking(config={**ranking.config, "fingerprint": "e" * 64})
        self._refuses(ValueError, "`query_features` must be of the model that was searched with, e{12}[.]",
                      ranking=path)

    def test_features_without_an_image_of_the_ranking(self):
        self._refuses(ValueError, "`index_features` must hold every image .*lacks 6, the first is 'far'",
                      index_features=os.path.join(self.folder, "query-*.h5"))

    def test_shards_without_an_image_shown(self):
        self._refuses(ValueError, "in the shards of `index_images`.*lacks 6",
                      index_images=os.path.join(self.folder, "query-*-of-00001"))

    def test_scores_without_ground_truth(self):
        for name in ("metrics", "baseline_metrics"):
            with self.assertRaisesRegex(ValueError, f"`{name}` goes with `ground_truth`. .*{name}='x.json'"):
                _config(self.folder, **{"metrics": "", name: "x.json", "ground_truth": ""})

    def test_settings_out_of_range(self):
        for name, rule in (("num_queries", "not be negative"), ("num_successes", "not be negative"),
                           ("num_listed", "not be negative"), ("num_hits", "be at least 1")):
            with self.assertRaisesRegex(ValueError, f"`{name}` must {rule}. Received: {name}=-1"):
                _config(self.folder, **{name: -1})


if __name__ == "__main__":
    unittest.main()
