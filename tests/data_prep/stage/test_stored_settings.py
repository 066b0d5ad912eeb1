from __future__ import annotations

import dataclasses
import unittest

from data_prep.stage import stored_settings
from data_prep.stage.settings import check_fields, setting


@dataclasses.dataclass(frozen=True)
class _Config:
    path: str = setting(help="where it lies")
    count: int = setting(3, help="how many there are", range="[1, inf)")
    scales: tuple[float, ...] = setting((0.5, 1.0), help="how large they are")

    def __post_init__(self):
        check_fields(self)


class StoredSettingsTest(unittest.TestCase):
    def test_what_a_file_lacks_has_its_default(self):
        self.assertEqual(stored_settings.with_defaults(_Config, {"path": "x", "count": 4}, "file"),
                         {"path": "x", "count": 4, "scales": [0.5, 1.0]})
        self.assertEqual(stored_settings.from_stored(_Config, {"path": "x"}, "file"), _Config("x"))

    def test_lists_of_json_are_tuples_again(self):
        self.assertEqual(stored_settings.from_stored(_Config, {"path": "x", "scales": [2.0]}, "file"),
                         _Config("x", scales=(2.0,)))

    def test_refuses_what_a_newer_version_wrote(self):
        with self.assertRaisesRegex(ValueError, "^a.json must hold settings that this version knows; a newer "
                                    "version wrote it.*Received: unknown='colour, size'.$"):
            stored_settings.from_stored(_Config, {"path": "x", "size": 1, "colour": 2}, "a.json")

    def test_refuses_what_is_missing_or_out_of_range(self):
        with self.assertRaisesRegex(ValueError, r"a.json must have the settings path. .*found=\['count'\]"):
            stored_settings.from_stored(_Config, {"count": 4}, "a.json")
        with self.assertRaisesRegex(ValueError, "`count` must be at least 1"):
            stored_settings.from_stored(_Config, {"path": "x", "count": 0}, "a.json")

    def test_a_default_that_one_file_lacks_is_no_difference(self):
        defaults = stored_settings.defaults_of(_Config)
        self.assertEqual(defaults, {"count": 3, "scales": [0.5, 1.0]})
        for first, second, expected in (({"count": 3}, {}, []), ({}, {"scales": [0.5, 1.0]}, []),
                                        ({"count": 4}, {}, ["count"]), ({"path": "x"}, {}, ["path"]),
                                        ({"count": 3, "path": "x"}, {"count": 5, "path": "y"},
                                         ["count", "path"])):
            self.assertEqual(stored_settings.differences(first, second, defaults), expected)


if __name__ == "__main__":
    unittest.main()
