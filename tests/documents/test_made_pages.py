"""The pages made from the sources are those that the sources give."""

import importlib
import re
import unittest

from tests.documents import make_api, make_decisions, make_map, sources


class MadePagesTest(unittest.TestCase):
    def check(self, name: str, page: str):
        with open(sources.ROOT / "docs" / name, encoding="utf-8") as file:
            self.assertEqual(file.read().splitlines(), page.splitlines(), "Run `make docs`.")

    def test_map_has_the_first_line_of_every_module(self):
        self.check("map.md", make_map.page())

    def test_api_has_every_public_name(self):
        self.check("api.md", make_api.page())

    def test_index_of_decisions_has_every_decision(self):
        self.check("decisions/README.md", make_decisions.page())

    def test_examples_use_public_names(self):
        text = make_api.page()
        for package, name in re.findall(r"\b(data_prep|delg|vae|hashing)\.(\w+)\(", text):
            self.assertIn(name, importlib.import_module(package).__all__)
        [example] = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
        compile(example, "docs/api.md", "exec")

    def test_modules_need_a_docstring(self):
        with self.assertRaisesRegex(ValueError, "delg.nothing must have a docstring"):
            sources.first_line(sources.ast.parse("x = 1"), "delg.nothing")

    def test_public_names_are_written_where_their_table_says(self):
        with self.assertRaisesRegex(ValueError, "delg.scores.metrics must define search itself"):
            sources.definition("delg.scores.metrics:search")
