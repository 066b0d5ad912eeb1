"""delg.report.unjudged: a report on a ranking whose answers nobody knows."""

import json
import os
import tempfile
import unittest

from delg.report import page as report_page
from delg.search import retrieval
from delg.settings.places import PlacesConfig
from delg.settings.report import ReportConfig
from delg.settings.search import SearchConfig
from tests.fixtures import tiny_search
from tests.fixtures.html_page import HtmlPage

_NO_TABLE = PlacesConfig()


def _report(folder, places=_NO_TABLE, **changes):
    paths = {**tiny_search.report_paths(folder), "ground_truth": "", "metrics": "", **changes}
    with open(report_page.make_report(ReportConfig(**paths), places), encoding="utf-8") as file:
        return HtmlPage(file.read())


def _texts(page, tag, **attributes):
    return [" ".join(element["text"].split()) for element in page.find(tag, **attributes)]


class UnjudgedTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def test_hits_matches_and_boxes_of_every_query(self):
        tiny_search.make_search(self.folder)
        page = _report(self.folder, title="Mine")
        self.assertEqual(_texts(page, "h1"), ["Mine"])
        self.assertEqual([name for name in _texts(page, "h3") if name in tiny_search.QUERY_IDS],
                         tiny_search.QUERY_IDS)
        hits = _texts(page, "figure", class_="hit")
        self.assertEqual(len(hits), 3 * 6)
        self.assertRegex(hits[0],
                         r"^✓ same #1 probability (over 99|\d\d) % 40 inliers similarity 0.889 near$")
        self.assertEqual(hits[5], "#6 not verified similarity 0.000 plain")
        self.assertEqual(_texts(page, "p", class_="scores")[0], "found")
        alts = [picture["alt"] for picture in page.find("img")]
        self.assertIn(f"Query {tiny_search.QUERY_A}, its box framed", alts)
        self.assertEqual(sum("near, 40 inliers joined by lines, the place of the query framed" in alt
                             for alt in alts), 1)
        self.assertIn("Sought among 6 images.", _texts(page, "p", class_="note"))
        self.assertEqual(os.listdir(os.path.join(self.folder, "report")), ["index.html"])

    def test_a_map_where_a_table_knows_places_and_tiles_in_its_policy_alone(self):
        tiny_search.make_search(self.folder)
        table = os.path.join(self.folder, "places.csv")
        with open(table, "w") as file:
            file.write("id,latitude,longitude\nnear,48.2,16.37\n")
        page = _report(self.folder, PlacesConfig(places_csv=table, tile_url="https://tiles.org/{z}/{x}/{y}"))
        notes = _texts(page, "p", class_="note")
        self.assertIn("Place: 48.20000, 16.37000, within 50 m, told by the hits that are the same.", notes)
        self.assertIn("Place: cannot be told.", notes)
        data = json.loads(page.find("script", id_="map-data")[0]["text"])
        self.assertEqual([(spot["kind"], spot["name"], spot["latitude"]) for spot in data["spots"][:2]],
                         [("query", tiny_search.QUERY_A, 48.2), ("same", "near", 48.2)])
        (policy,) = [meta["content"] for meta in page.find("meta") if "content" in meta
                     and "default-src" in meta["content"]]
        self.assertIn("img-src data: 'self' https://tiles.org;", policy)
        self.assertIn("This page loads nothing but map tiles, from https://tiles.org.",
                      _texts(page, "footer"))

    def test_no_map_where_no_place_is_known(self):
        tiny_search.make_search(self.folder)
        page = _report(self.folder)
        self.assertEqual(page.find("script", id_="map-data"), [])
        self.assertNotIn("Leaflet", "".join(_texts(page, "script")))

    def test_a_map_beside_scores_has_the_places_of_a_table(self):
        tiny_search.make_search(self.folder)
        table = os.path.join(self.folder, "places.csv")
        with open(table, "w") as file:
            file.write("id,latitude,longitude\nnear,48.2,16.37\n")
        for places, num_maps in ((PlacesConfig(places_csv=table), 1), (_NO_TABLE, 0)):
            with open(report_page.make_report(ReportConfig(**tiny_search.report_paths(self.folder)), places),
                      encoding="utf-8") as file:
                page = HtmlPage(file.read())
            self.assertEqual(len(page.find("div", id_="map-of-places")), num_maps)
            spots = [spot for data in page.find("script", id_="map-data")
                     for spot in json.loads(data["text"])["spots"]]
            self.assertEqual([(spot["kind"], spot["name"]) for spot in spots[:2]], [
                ("query", tiny_search.QUERY_A), ("same", "near")][:2 * num_maps])
            anchors = {card.get("id") for card in page.find("article")}
            self.assertTrue(all(spot["target"][1:] in anchors for spot in spots))

    def test_fewer_queries_and_hits_on_request(self):
        tiny_search.make_search(self.folder, verifier="none")
        page = _report(self.folder, num_queries=1, num_listed=0, num_hits=2)
        self.assertEqual(len(page.find("article")), 1)
        self.assertEqual(len(page.find("figure", class_="hit")), 2)
        self.assertIn("Sought among 6 images. The first 1 of 3 queries are shown.",
                      _texts(page, "p", class_="note"))
        self.assertEqual(page.find("figure", class_="wide"), [])

    def test_queries_beyond_those_in_full_have_their_hits_and_no_large_pictures(self):
        tiny_search.make_search(self.folder)
        page = _report(self.folder, num_queries=1, num_listed=1, num_hits=2)
        self.assertEqual(len(page.find("article")), 2)
        self.assertEqual(len(page.find("figure", class_="hit")), 2 * 2)
        wide = [picture["alt"] for picture in page.find("img") if "joined by lines" in picture["alt"]]
        self.assertEqual(len(wide), 2)
        self.assertTrue(all(alt.startswith(f"Query {tiny_search.QUERY_A} ") for alt in wide), wide)

    def test_a_query_is_not_its_own_hit(self):
        tiny_search.make_search(self.folder)
        images = os.path.join(self.folder, "index-*.h5")
        ranking = os.path.join(self.folder, "all.h5")
        retrieval.search(images, images, os.path.join(self.folder, "index_dir"), ranking,
                         SearchConfig(verifier="none"))
        page = _report(self.folder, ranking=ranking, query_features=images,
                       query_images=os.path.join(self.folder, "index-*-of-00001"))
        hits = _texts(page, "figure", class_="hit")
        self.assertEqual(len(page.find("article")), 6)
        self.assertEqual([hit.split()[-1] for hit in hits].count("near"), 5)
        self.assertEqual(len(hits), 6 * 5)

    def test_features_of_another_set_are_refused(self):
        tiny_search.make_search(self.folder)
        with self.assertRaisesRegex(ValueError, "`index_features` must hold every image .*lacks 6"):
            _report(self.folder, index_features=os.path.join(self.folder, "query-*.h5"))


if __name__ == "__main__":
    unittest.main()
