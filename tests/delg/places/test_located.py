"""Places of what was found, and what GeoJSON and maps say of them."""

import unittest

from delg.places import shown
from delg.places.located import located, place_by_hits
from delg.scores.found import HITS, ONLY_ALIKE, SAME, UNSURE, FoundForQuery, FoundImage, Place

PLACES = {"a": Place(10.0, 20.0), "b": Place(10.0, 20.0), "c": Place(-50.0, 60.0), "d": Place(-50.0, 60.0)}


def hit(image, verdict, probability=0.9, rank=1):
    return FoundImage(image, rank, 0.5, 20, probability, verdict)


class LocatedTest(unittest.TestCase):
    def test_hits_that_are_the_same_tell_the_place(self):
        found = located(FoundForQuery("q", (hit("a", SAME), hit("b", SAME), hit("c", UNSURE),
                                            hit("e", ONLY_ALIKE))), None, PLACES.get)
        self.assertEqual([each.place for each in found.hits],
                         [PLACES["a"], PLACES["b"], PLACES["c"], None])
        self.assertEqual((round(found.place.latitude, 6), round(found.place.longitude, 6)), (10, 20))
        self.assertEqual((found.place.source, found.place.radius_m), (HITS, 50.0))

    def test_a_place_of_its_own_counts(self):
        own = Place(1.0, 2.0)
        self.assertEqual(located(FoundForQuery("q", (hit("a", SAME),)), own, PLACES.get).place, own)

    def test_cannot_be_told_without_a_same_hit_or_where_they_disagree(self):
        for hits in ((), (hit("a", UNSURE), hit("b", ONLY_ALIKE)), (hit("e", SAME),),
                     (hit("a", SAME), hit("c", SAME))):
            self.assertIsNone(located(FoundForQuery("q", hits), None, PLACES.get).place)
        self.assertIsNone(place_by_hits([hit("a", SAME, None)]))


class ShownTest(unittest.TestCase):
    def setUp(self):
        self.found = located(FoundForQuery("q", (hit("a", SAME), hit("c", ONLY_ALIKE, 0.1, 2)), SAME), None,
                             PLACES.get)

    def test_longitude_first_and_no_geometry_where_it_cannot_be_told(self):
        made = shown.as_geojson([self.found, FoundForQuery("lost", ())])
        self.assertEqual(made["type"], "FeatureCollection")
        query, first, second, lost = made["features"]
        self.assertEqual(query["geometry"], {"type": "Point", "coordinates": [20.0, 10.0]})
        self.assertEqual(query["properties"], {"kind": "query", "query": "q", "verdict": SAME,
                                               "radius_m": 50.0, "source": HITS})
        self.assertEqual(second["properties"], {
            "kind": "hit", "query": "q", "image": "c", "rank": 2, "verdict": ONLY_ALIKE, "probability": 0.1,
            "radius_m": None, "source": "table"})
        self.assertEqual(first["geometry"]["coordinates"], [20.0, 10.0])
        self.assertEqual((lost["geometry"], lost["properties"]["query"]), (None, "lost"))

    def test_a_map_shows_the_query_and_what_may_be_the_same(self):
        spots = shown.as_spots(self.found, "#query-1", str.upper)
        self.assertEqual([(spot["kind"], spot["name"], spot["latitude"]) for spot in spots],
                         [("query", "q", 10.0), (SAME, "A", 10.0)])
        self.assertEqual(shown.as_spots(FoundForQuery("lost", ()), "#query-2"), [])

    def test_in_words(self):
        for place, words in ((Place(48.2084114, -16.37), "48.20841, -16.37000"),
                             (Place(0.0, 179.9, 50.0, HITS), "0.00000, 179.90000, within 50 m"),
                             (Place(0.0, 1.0, 1234.0, HITS), "0.00000, 1.00000, within 1.2 km")):
            self.assertEqual(shown.in_words(place), words)


if __name__ == "__main__":
    unittest.main()
