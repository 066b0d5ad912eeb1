import sys
import types
import unittest

from data_prep.stage.table import OrNone, Table, settings_of

SQUARE = "a square"  # record of the table below


class TableTest(unittest.TestCase):
    def setUp(self):
        self.table = Table("shape", {"square": f"{__name__}:SQUARE", "circle": "no_such_module:CIRCLE",
                                     "line": f"{__name__}:LINE"})

    def test_names_need_no_import(self):
        self.assertEqual((list(self.table), len(self.table)), (["square", "circle", "line"], 3))
        self.assertIn("circle", self.table)
        self.assertNotIn("cube", self.table)
        self.assertNotIn("no_such_module", sys.modules)

    def test_record_of_a_name(self):
        self.assertEqual(self.table["square"], "a square")
        self.assertEqual(self.table.kind, "shape")

    def test_refuses_unknown_names_and_wrong_places(self):
        for name, error in (("cube", KeyError), ("circle", ModuleNotFoundError), ("line", AttributeError)):
            with self.subTest(name), self.assertRaises(error):
                self.table[name]
        self.assertIsNone(self.table.get("cube"))

    def test_settings_of_records_but_for_those_that_others_extend(self):
        common = type("Common", (), {})
        one, two = type("One", (common,), {}), type("Two", (common,), {})
        named = [two, common, None, one, two]
        table = {number: types.SimpleNamespace(settings=settings) for number, settings in enumerate(named)}
        self.assertEqual(settings_of(table), [two, one])
        self.assertEqual(settings_of({}), [])

    def test_a_setting_that_can_do_without_a_record(self):
        choices = OrNone(self.table)
        self.table.places["cube"] = f"{__name__}:SQUARE"
        self.assertEqual(tuple(choices), ("square", "circle", "line", "cube", "none"))


if __name__ == "__main__":
    unittest.main()
