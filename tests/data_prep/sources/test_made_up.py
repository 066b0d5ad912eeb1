"""Adding a data set takes one module and one line: a made-up one is found wherever sets are asked for."""

import json
import os
import pathlib
import re
import subprocess
import sys
import unittest

from data_prep.building.config import BuildConfig
from data_prep.sources import source
from tests.fixtures import made_up_set
from tests.fixtures.published_sets import write_images
from tests.fixtures.temporary_files import FilesTest

_ROOT = pathlib.Path(__file__).parents[3]
_RUN = ("import runpy, sys\nfrom data_prep.sources.source import SOURCES\n"
        "SOURCES.places['postcards'] = 'tests.fixtures.made_up_set:SOURCE'\n"  # the one line
        "runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)")


def run_script(name: str, *flags: str) -> subprocess.CompletedProcess:
    """A script in a process of its own, with the line in the table."""
    return subprocess.run([sys.executable, "-c", _RUN, name, *flags], capture_output=True, text=True,
                          check=False, timeout=300, cwd=_ROOT)


class MadeUpSetTest(FilesTest):
    def setUp(self):
        super().setUp()
        self.table = self.write("cards.csv", "file,town,year\na/1.jpg,Bern,1910\na/2.jpg,Bern,1890\n"
                                "3.jpg,Chur,1950\n4.jpg,Chur,1920\n5.jpg,Bern,1960\n")
        write_images(self.path("images"), *(f"postcards/{name}.jpg" for name in ("a/1", "a/2", "3", "5")))
        self.flags = ("--dataset=postcards", f"--images_dir={self.path('images')}",
                      f"--postcards_csv={self.table}", f"--output_dir={self.path('shards')}",
                      "--validation_fraction=0", "--max_bad_fraction=0.5")

    def test_is_in_the_help(self):
        done = run_script("data_prep.build_tfrecords", "--help")
        text = " ".join(done.stdout.split())
        self.assertRegex(text, r"--dataset: <gldv2\|[a-z_| ]*\|postcards>")  # a long line is broken anywhere
        self.assertIn("--postcards_csv: Postcards: table with columns file, town and year.", text)
        self.assertIn("postcards: the one with postcards/.", text)

    def test_builds_shards_that_pass_the_checks(self):
        done = run_script("data_prep.build_tfrecords", *self.flags, "--first_year=1910")
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(self.path("shards/dataset.json"), encoding="utf-8") as file:
            built = json.load(file)
        self.assertEqual((built["labels"], list(built["sources"])), (["Bern", "Chur"], ["postcards_csv"]))
        self.assertEqual([(entry["id"], entry["reason"]) for entry in built["left_out"]], [("4", "missing")])
        self.assertEqual(built["unlisted"]["examples"], ["postcards/a/2.jpg"])
        done = run_script("data_prep.validate", f"--dataset_dir={self.path('shards')}", "--num_workers=1")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_is_refused_by_its_own_rules(self):
        for message, changed in (
                ("`first_year` must be in [1870, 2000]. Received: first_year=1800.", "--first_year=1800"),
                ("dataset=postcards needs `postcards_csv`. Received: none.", "--postcards_csv="),
                ("`postcards_csv` belongs to dataset=postcards. Received: postcards_csv=",
                 "--dataset=folder")):
            done = run_script("data_prep.build_tfrecords", *self.flags, changed)
            self.assertIn(f"Error: {message}", done.stderr)
        self.assertFalse(os.path.exists(self.path("shards")))

    def test_can_be_downloaded(self):
        done = run_script("data_prep.download", "--dataset=postcards", f"--output_dir={self.path('data')}",
                          "--dry_run")
        self.assertIn("https://example.org/postcards/postcards.tar  about 0.00 GB", done.stdout, done.stderr)


class SourcesTest(unittest.TestCase):
    def test_settings_of_two_sets_are_the_same_or_have_other_names(self):
        for name in {field for settings in source.own_settings() for field in settings.__dataclass_fields__}:
            declared = {record.settings for key, record in source.SOURCES.items()
                        if key in source.sets_of(name)}
            self.assertEqual(len(declared), 1, name)
            self.assertIn(name, BuildConfig.__dataclass_fields__)

    def test_the_settings_wait_for_no_large_library(self):
        code = ("import sys, data_prep.building.config\n"
                "print(*(name for name in ('tensorflow', 'pandas', 'scipy', 'apache_beam') "
                "if name in sys.modules))")
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                              cwd=_ROOT)
        self.assertEqual(done.stdout.split(), [])


class WalkTest(unittest.TestCase):
    def test_the_code_shown_is_the_fixture_s(self):
        page = (_ROOT / "docs/extending/data_set.md").read_text(encoding="utf-8")
        code = pathlib.Path(made_up_set.__file__).read_text(encoding="utf-8")
        blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
        self.assertEqual(len(blocks), 4)
        for block in blocks[:3]:
            self.assertIn(block.strip("\n"), code)
        self.assertEqual(blocks[3].strip(), '"postcards": "data_prep.sources.postcards:SOURCE",')


if __name__ == "__main__":
    unittest.main()
