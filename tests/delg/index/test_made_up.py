"""Adding an index type takes one module and one line: a made-up one is found wherever types are asked for."""

import importlib
import os
import pathlib
import re
import unittest
from unittest import mock

import numpy as np

from delg.index import building
from delg.index.files import read_description
from delg.index.kind import ranked_by
from delg.settings import index as index_settings
from delg.settings.kinds import GLOBAL_DESCRIPTORS, INDEX_KINDS
from tests.delg.index.test_building import descriptors_of, write_features
from tests.fixtures import made_up_index, scripts
from tests.fixtures.temporary_files import FilesTest


class MadeUpIndexTest(FilesTest):
    def setUp(self):
        super().setUp()
        line = mock.patch.dict(INDEX_KINDS.places, projected="tests.fixtures.made_up_index:PROJECTED")
        line.start()
        self.addCleanup(line.stop)
        self.addCleanup(setattr, index_settings, "IndexConfig", index_settings.IndexConfig)
        importlib.reload(index_settings)  # settings follow from the table when they are imported
        write_features(self.path("index-00000-of-00001.h5"), range(90))
        self.flags = {"features_dir": self.path("index-*.h5"), "index_dir": self.path("index"),
                      "index_type": "projected"}

    def test_is_in_the_help(self):
        done = scripts.run("delg.build_index", "--help")
        text = " ".join(done.stdout.split())
        self.assertRegex(text, r"--index_type: <auto\|exact\|[a-z_| ]*\|projected>")
        self.assertIn("--num_directions: Random directions that projected compares along. Must be at", text)

    def test_is_built_changed_loaded_and_searched(self):
        done = scripts.run("delg.build_index", **self.flags, num_directions=12, num_candidates=20)
        self.assertEqual((done.returncode, done.stdout.splitlines()[0]), (
            0, f"90 images of 16 dimensions in {self.path('index')}."), done.stderr)
        description = read_description(self.path("index"))
        self.assertEqual((description["type"], description["config"]["num_directions"]), ("projected", 12))
        self.assertEqual(list(description["arrays"]), ["ids", "products", "directions"])
        write_features(self.path("more.h5"), range(90, 120))
        done = scripts.run("delg.update_index", index_dir=self.path("index"), remove_ids="i3,i4",
                           add_features=self.path("more.h5"))
        self.assertEqual(done.returncode, 0, done.stderr)
        index = building.load_index(self.path("index"), check_descriptors=True)
        rows, similarities = index.search(descriptors_of([5, 100]), 3)
        self.assertEqual([index.ids[row] for row in rows[:, 0]], ["i5", "i100"])
        np.testing.assert_allclose(similarities[:, 0], 1, rtol=1e-5)
        self.assertEqual(index.finder.products.shape, (120, 12))
        self.assertEqual((index.ranked_by, ranked_by("projected")), (GLOBAL_DESCRIPTORS, GLOBAL_DESCRIPTORS))

    def test_its_files_are_those_that_its_record_names(self):
        scripts.run("delg.build_index", **self.flags)
        building.build_index(self.flags["features_dir"], self.path("index"),
                             index_settings.IndexConfig(index_type="exact"))
        self.assertEqual({name.split("-")[0] for name in os.listdir(self.path("index"))},
                         {".lock", "index.json", "descriptors", "ids"})

    def test_its_setting_is_checked(self):
        done = scripts.run("delg.build_index", **self.flags, num_directions=0)
        self.assertIn("`num_directions` must be at least 1. Received: num_directions=0", done.stderr)
        self.assertFalse(os.path.exists(self.path("index")))
        self.assertEqual(index_settings.IndexConfig(num_directions=3).resolved(9).num_directions, 3)


class WalkTest(unittest.TestCase):
    def test_the_code_shown_is_the_fixture_s(self):
        root = pathlib.Path(__file__).parents[3]
        page = (root / "docs/extending/index_type.md").read_text(encoding="utf-8")
        code = pathlib.Path(made_up_index.__file__).read_text(encoding="utf-8")
        blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
        self.assertEqual(len(blocks), 4)
        for block in blocks[:3]:
            self.assertIn(block.strip("\n"), code)
        self.assertEqual(blocks[3].strip(), '"projected": "delg.index.candidates.projected:PROJECTED",')


if __name__ == "__main__":
    unittest.main()
