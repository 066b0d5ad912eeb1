"""delg.pictures.downloads: files inside a page."""

import base64
import unittest

from delg.pictures.downloads import csv_file, json_file


def _text(file):
    return base64.b64decode(file["uri"].partition(";base64,")[2]).decode()


class DownloadsTest(unittest.TestCase):
    def test_rows_become_lines_below_their_keys(self):
        file = csv_file("a.csv", [{"id": 'x,"y"', "value": 0.5}, {"id": "ä", "value": None}])
        self.assertEqual(_text(file), 'id,value\n"x,""y""",0.5\nä,\n')
        self.assertEqual((file["name"], file["uri"].partition(";")[0]), ("a.csv", "data:text/csv"))

    def test_no_rows_are_an_empty_file(self):
        self.assertEqual(_text(csv_file("a.csv", [])), "\n")

    def test_anything_of_json_with_names_that_are_no_utf8(self):
        self.assertEqual(_text(json_file("a.json", {"a": [1, None]})), '{\n "a": [\n  1,\n  null\n ]\n}')
        self.assertIn("\\udcff", _text(csv_file("a.csv", [{"id": "a\udcff"}])))


if __name__ == "__main__":
    unittest.main()
