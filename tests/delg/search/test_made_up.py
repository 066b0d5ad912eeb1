"""A verifier and a re-ranker added as docs/extending says: they are in flags, checks and search."""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

import numpy as np

from delg.scores.ranking import read_ranking
from delg.search import retrieval
from delg.settings.kinds import VERIFIERS
from delg.settings.search import SearchConfig
from tests.fixtures import scripts, tiny_search

_ROOT = pathlib.Path(__file__).parents[3]
# Writes the line of a re-ranker before the settings of a search are made, and runs a script.
_RUN_WITH_LINE = """
import runpy, sys
from delg.settings.kinds import RERANKERS
RERANKERS.places["hubs"] = "tests.fixtures.made_up_reranker:HUBS"
del sys.argv[0]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


class MadeUpTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        tiny_search.make_search(str(cls.folder))
        cls.inputs = {"query_features": str(cls.folder / "query-*.h5"), "num_workers": 1,
                      "index_features": str(cls.folder / "index-*.h5"),
                      "index_dir": str(cls.folder / "index_dir")}

    def assert_shows(self, page, fixture):
        """Each block of Python in a page of docs/extending that defines something is code of the fixture."""
        text = (_ROOT / "docs/extending" / page).read_text(encoding="utf-8")
        code = (_ROOT / "tests/fixtures" / fixture).read_text(encoding="utf-8")
        blocks = [block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL)
                  if not block.startswith(" ")]
        self.assertGreaterEqual(len(blocks), 1)
        for block in blocks:
            self.assertIn(block, code)


class VerifierTest(MadeUpTest):
    def setUp(self):
        line = mock.patch.dict(VERIFIERS.places, shift="tests.fixtures.made_up_verifier:SHIFT")
        line.start()
        self.addCleanup(line.stop)

    def test_is_a_choice_of_the_flags(self):
        for script, choices in (("delg.search_images", "usac|scale|paper|shift|none"),
                                ("delg.match_images", "usac|scale|paper|shift")):
            helped = scripts.run(script, "-h")
            self.assertIn(choices, helped.stdout)
        refused = scripts.run("delg.search_images", output="x", **{**self.inputs, "verifier": "slide"})
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("shift", refused.stderr)

    def test_is_checked(self):
        with self.assertRaisesRegex(ValueError, "`verifier` must be one of usac, scale, paper, shift, none."):
            SearchConfig(verifier="slide")

    def test_searches(self):
        config = SearchConfig(verifier="shift", num_rerank=6, min_inliers=5)
        ranking = retrieval.search(output=str(self.folder / "shift.h5"), config=config, **self.inputs)
        self.assertEqual((ranking.config["verifier"], ranking.config["transform"]), ("shift", "affine"))
        self.assertEqual(ranking.index_ids[ranking.ranks[0, 0]], "near")  # by similarity it was "trap"
        np.testing.assert_array_equal(ranking.transforms[0, 0, :2, :2], np.eye(2))

    def test_is_the_one_of_the_page(self):
        self.assert_shows("verifier.md", "made_up_verifier.py")


class RerankerTest(MadeUpTest):
    def run_script(self, *arguments):
        return subprocess.run([sys.executable, "-c", _RUN_WITH_LINE, "delg.search_images", *arguments],
                              cwd=_ROOT, capture_output=True, text=True, timeout=120, check=False)

    def test_its_settings_are_flags(self):
        helped = self.run_script("-h")
        self.assertEqual(helped.returncode, 0, helped.stderr)
        text = " ".join(helped.stdout.split())
        self.assertIn("alpha_qe, dba, diffusion, neighbor_refinement, hubs", text)
        self.assertIn("--hub_weight: Share of its mean similarity to all queries that hubs takes off a "
                      "result. Must be in [0, 1].", text)

    def test_searches_with_its_settings_and_refuses_others(self):
        inputs = [*scripts.arguments(**self.inputs, output=self.folder / "hubs.h5", rerankers="hubs",
                                     min_inliers=15)]
        refused = self.run_script(*inputs, "--hub_weight=2")
        self.assertNotEqual(refused.returncode, 0)
        self.assertRegex(refused.stderr, r"`?hub_weight`? must be in \[0, 1\]")
        done = self.run_script(*inputs, "--hub_weight=0.25")
        self.assertEqual(done.returncode, 0, done.stderr)
        ranking = read_ranking(str(self.folder / "hubs.h5"))
        self.assertEqual((ranking.config["rerankers"], ranking.config["hub_weight"]), ("hubs", 0.25))
        plain = read_ranking(str(self.folder / "ranking.h5"))
        self.assertTrue(np.all(np.sort(ranking.similarities) < np.sort(plain.similarities)))

    def test_is_the_one_of_the_page(self):
        self.assert_shows("reranker.md", "made_up_reranker.py")


if __name__ == "__main__":
    unittest.main()
