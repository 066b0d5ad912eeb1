"""data_prep.stage.lazy_module: a library is loaded when it is first used."""

import sys
import unittest
from unittest import mock

from data_prep.stage.lazy_module import LazyModule


class LazyModuleTest(unittest.TestCase):
    def test_is_imported_when_first_used(self):
        with mock.patch.dict(sys.modules):
            sys.modules.pop("colorsys", None)
            lazy = LazyModule("colorsys")
            self.assertNotIn("colorsys", sys.modules)
            self.assertEqual(lazy.rgb_to_hsv(1, 1, 1), (0, 0, 1))
            self.assertIs(lazy.hls_to_rgb, sys.modules["colorsys"].hls_to_rgb)

    def test_lacks_what_the_module_lacks(self):
        with self.assertRaisesRegex(AttributeError, "no_such"):
            _ = LazyModule("colorsys").no_such


if __name__ == "__main__":
    unittest.main()
