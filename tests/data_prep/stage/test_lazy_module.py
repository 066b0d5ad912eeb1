"""data_prep.stage.lazy_module: a library is loaded when it is first used."""

import importlib
import sys
import unittest
from unittest import mock

from data_prep.stage.lazy_module import LazyModule, absent


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

    def test_an_absent_module_cannot_be_imported_in_the_block(self):
        with mock.patch.dict(sys.modules):
            sys.modules.pop("colorsys", None)
            with self.assertRaises(ImportError), absent("colorsys"):
                importlib.import_module("colorsys")
            loaded = importlib.import_module("colorsys")
            with absent("colorsys"):
                self.assertIs(importlib.import_module("colorsys"), loaded)


if __name__ == "__main__":
    unittest.main()
