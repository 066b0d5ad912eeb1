"""The rules of ruff: which files are doors, that may print and know flags."""

import re
import subprocess
import sys
import unittest

from tests.documents import sources

DOORS = re.compile(r'^"(data_prep|delg|vae|hashing)/\{(.+)\}\.py" = \["T20", "TID251"\]$', re.M)


class LintRulesTest(unittest.TestCase):
    def test_doors_are_the_scripts_and_no_others(self):
        text = (sources.ROOT / "pyproject.toml").read_text(encoding="utf-8")
        doors = {package: names.split(",") for package, names in DOORS.findall(text)}
        self.assertEqual(doors, {package: sorted(
            path.stem for path in (sources.ROOT / package).glob("*.py") if path.stem != "__init__")
            for package in sources.PACKAGES})

    def test_a_library_module_may_neither_print_nor_know_flags_nor_load_pickles(self):
        code = "import pickle\n\nfrom absl import flags\n\nprint(flags, pickle.loads(b''))\n"
        for name, expected in (("delg/scores/new.py", 3), ("delg/train.py", 0)):
            finished = subprocess.run(
                [sys.executable, "-m", "ruff", "check", f"--stdin-filename={name}", "--no-cache",
                 "--output-format=concise", "-"], input=code, cwd=sources.ROOT,
                capture_output=True, text=True, check=False)
            found = re.findall(r"T201|TID251", finished.stdout)
            self.assertEqual(len(found), expected, finished.stdout + finished.stderr)
