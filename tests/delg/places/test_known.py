"""Places of images from tables and from GPS data, by all the names that an image has."""

import os
import pathlib
import tempfile
import unittest

import numpy as np

from delg.places.known import KnownPlaces, known_places, read_places
from delg.scores.found import GPS, TABLE, Place
from delg.settings.places import PlacesConfig
from tests.fixtures import photographs


class TablesTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def write(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text)
        return str(self.folder / name)

    def test_names_of_columns_and_numbers_as_people_write_them(self):
        for text in ("image,latitude,longitude\na.jpg,48.2,-16.5\n", "id;lat;lng\na.jpg;48,2;-16,5\n",
                     "Name\tLON\tLat\n a.jpg \t-16.5\t48.2\nb.jpg\t\t\n"):
            self.assertEqual(read_places(self.write("p.csv", text)), {"a.jpg": (48.2, -16.5)})

    def test_by_landmark_as_google_landmarks_and_made_worlds_have_them(self):
        places = self.write("places.csv", "landmark_id,latitude,longitude\n7,1,2\n8,3,4\n")
        train = self.write("train.csv", "id,url,landmark_id\na,,7\nb,,9\nc,,8.0\n")
        views = self.write("views.csv", "image,landmark,light\na,7,day\nd,,day\n")
        self.assertEqual(read_places(places, train), {"a": (1, 2), "c": (3, 4)})
        self.assertEqual(read_places(places, views), {"a": (1, 2)})

    def test_refuses_what_is_no_table_of_places(self):
        for text, pattern in (
                ("image,latitude\na,1\n", "must have the columns image or id .*latitude or lat, longitude or "
                 "lon.* Received: image, latitude"),
                ("image,latitude,longitude\na,91,0\n", "line 2, must have degrees between -90 and 90. "
                 "Received: '91'"),
                ("image,latitude,longitude\na,0,181\n", "between -180 and 180. Received: '181'"),
                ("image,latitude,longitude\na,nan,1\n", "Received: 'nan'"),
                ("image,latitude,longitude\na,north,1\n", "Received: 'north'"),
                ("image,latitude,longitude\na,1,2\na,1,2\n", "once. Received: 'a' again, line 3")):
            with self.subTest(pattern), self.assertRaisesRegex(ValueError, pattern):
                read_places(self.write("p.csv", text))

    def test_an_image_is_known_by_its_path_its_name_and_without_suffix(self):
        table = {"trip/a.jpg": (1, 1), "b": (2, 2), "c.jpg": (3, 3), "trip/d": (4, 4)}
        known = KnownPlaces(table, image_ids=["trip/a.jpg", "x/b.png", "c.jpg", "trip/d.webp"])
        for image, expected in (("trip/a.jpg", 1), ("x/b.png", 2), ("c.jpg", 3), ("trip/d.webp", 4)):
            self.assertEqual(known.in_table(image), Place(expected, expected, source=TABLE))
        self.assertIsNone(known.in_table("a.jpg"))

    def test_a_query_of_another_folder_is_known_by_a_name_that_no_image_has(self):
        known = KnownPlaces({"q.jpg": (1, 1), "a.jpg": (2, 2), "queries/r.jpg": (3, 3)}, image_ids=["a.jpg"])
        self.assertEqual(known.in_table("/home/queries/q.jpg"), Place(1, 1))
        self.assertIsNone(known.in_table("/home/queries/a.jpg"))
        self.assertEqual(known.in_table("queries/r.jpg"), Place(3, 3))

    def test_a_name_that_several_images_have_is_nobodys_unless_it_is_a_whole_path(self):
        known = KnownPlaces({"1.jpg": (1, 1), "2.jpg": (2, 2)},
                            image_ids=["a/1.jpg", "b/1.jpg", "2.jpg", "a/2.jpg"])
        self.assertIsNone(known.in_table("a/1.jpg"))
        self.assertIsNone(known.in_table("a/2.jpg"))
        self.assertEqual(known.in_table("2.jpg"), Place(2, 2))

    def test_a_table_of_other_images_is_refused(self):
        config = PlacesConfig(places_csv=self.write("p.csv", "image,lat,lon\na,1,2\n"))
        with self.assertRaisesRegex(ValueError, "`places_csv` must name images of the collection. Received: "
                                                ".*p.csv', with 'a', for images such as 'b.jpg'"):
            known_places(config, ["b.jpg"])
        self.assertIsNotNone(known_places(config, ["a.jpg", "b.jpg"]).of_image("a.jpg"))

    def test_gps_data_counts_where_the_table_says_nothing(self):
        path = self.folder / "a.jpg"
        encoded = photographs.jpeg(exif=photographs.gps_exif(10.5, -20.25))
        path.write_bytes(encoded)
        known = KnownPlaces({"b.jpg": (1, 2)})
        for found in (known.of_image("a.jpg", str(path)), known.of_encoded("a.jpg", encoded)):
            np.testing.assert_allclose((found.latitude, found.longitude), (10.5, -20.25), atol=1e-6)
            self.assertEqual(found.source, GPS)
        self.assertEqual(known.of_image("b.jpg", str(path)), Place(1, 2))
        self.assertIsNone(known.of_image("a.jpg"))
        self.assertIsNone(known.of_image("a.jpg", str(self.folder / "gone.jpg")))
        without = KnownPlaces(use_gps=False)
        self.assertIsNone(without.of_image("a.jpg", str(path)))
        self.assertIsNone(without.of_encoded("a.jpg", encoded))

    def test_a_file_that_changes_is_read_again(self):
        path = self.folder / "a.jpg"
        path.write_bytes(photographs.jpeg())
        known = KnownPlaces()
        self.assertIsNone(known.of_image("a", str(path)))
        path.write_bytes(photographs.jpeg(exif=photographs.gps_exif(10.5, -20.25)))
        os.utime(path, ns=(1, 1))
        self.assertIsNotNone(known.of_image("a", str(path)))


class PlacesConfigTest(unittest.TestCase):
    def test_refuses_what_does_not_belong_together(self):
        for settings, pattern in (({"landmarks_csv": "a"}, "`places_csv` must come with `landmarks_csv`"),
                                  ({"tile_attribution": "a"}, "`tile_url` must come with"),
                                  ({"tile_url": "https://host/{z}/{x}.png"}, r"of http or https with \{z\}"),
                                  ({"tile_url": "//host/{z}/{x}/{y}.png"}, "of http or https"),
                                  ({"tile_url": "https://a; script-src *//{z}/{x}/{y}"}, "of http or https")):
            with self.subTest(settings), self.assertRaisesRegex(ValueError, pattern):
                PlacesConfig(**settings)

    def test_the_origin_of_tiles_as_a_policy_has_it(self):
        for url, origin in (("", ""), ("https://host.org/{z}/{x}/{y}.png?key=1", "https://host.org"),
                            ("http://localhost:8080/{z}/{x}/{y}", "http://localhost:8080"),
                            ("https://{s}.tiles.org/{z}/{x}/{y}.png", "https://*.tiles.org")):
            self.assertEqual(PlacesConfig(tile_url=url).tile_origin, origin)


if __name__ == "__main__":
    unittest.main()
