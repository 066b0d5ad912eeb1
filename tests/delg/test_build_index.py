"""delg.build_index and delg.update_index as commands."""

import pathlib
import shutil
import tempfile
import unittest

from delg.index import building
from tests.delg.index.test_building import write_features
from tests.fixtures import scripts


class BuildIndexTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)

    def test_from_features_to_a_changed_index(self):
        write_features(self.folder / "first.h5", range(40))
        write_features(self.folder / "more.h5", range(40, 50))
        (self.folder / "gone.txt").write_text("i3\ni4\n", encoding="utf-8")
        built = scripts.run("delg.build_index", features_dir=self.folder / "first.h5",
                            index_dir=self.folder / "index", index_type="binary")
        self.assertEqual((built.returncode, built.stdout.split(" in ")[0]), (0, "40 images of 16 dimensions"))
        changed = scripts.run("delg.update_index", index_dir=self.folder / "index", remove_ids="i0,i1",
                              add_features=self.folder / "more.h5", remove_ids_file=self.folder / "gone.txt")
        self.assertEqual(changed.returncode, 0, changed.stderr)
        self.assertTrue(changed.stdout.startswith("46 images in"), changed.stdout)
        self.assertEqual(building.load_index(self.folder / "index").ids,
                         ["i2", *(f"i{number}" for number in range(5, 50))])

    def test_errors_are_one_line(self):
        for module, flags, message in (
                ("delg.build_index", {"features_dir": "no", "index_dir": "no", "index_type": "tree"},
                 "Error: flag --index_type=tree: .*one of <auto.exact.*.asmk.binary_asmk>"),
                ("delg.update_index", {"index_dir": "no"}, "Error: One of `add_features`.*Received: none"),
                ("delg.update_index", {"index_dir": "no", "remove_ids_file": "none.txt"},
                 "Error: `remove_ids_file` must be a file.*none.txt")):
            finished = scripts.run(module, **flags)
            self.assertEqual(finished.returncode, 1)
            self.assertRegex(finished.stderr.strip().splitlines()[-1], message)
            self.assertNotIn("Traceback", finished.stderr)


if __name__ == "__main__":
    unittest.main()
