"""delg.settings.search: groups that make one flat set, without what a search works with."""

import dataclasses
import subprocess
import sys
import unittest

from delg.settings.kinds import EVIDENCE, RERANKERS
from delg.settings.search import GlobalSearchConfig, MatchingConfig, SearchConfig, VerificationConfig


class SearchConfigTest(unittest.TestCase):
    def test_is_the_groups_and_the_settings_of_every_reranker(self):
        groups = (GlobalSearchConfig, *(reranker.settings for reranker in RERANKERS.values()), MatchingConfig,
                  VerificationConfig)
        names = [field.name for group in groups for field in dataclasses.fields(group)]
        self.assertEqual([field.name for field in dataclasses.fields(SearchConfig)],
                         list(dict.fromkeys(names)))

    def test_evidence_has_what_it_goes_by(self):
        for settings, message in (
                ({"evidence": "geometry"}, "`evidence` must name global or asmk, which find the"),
                ({"evidence": "colour"}, "`evidence` must be names among global, asmk, neighbors, g"),
                ({"evidence": "asmk", "rerankers": "dba"}, "`rerankers` must be empty where `evidence`"),
                ({"evidence": "global,asmk", "expand_query": True}, "`expand_query` must be off where `ev")):
            with self.assertRaisesRegex(ValueError, message):
                SearchConfig(**settings)
        self.assertTrue(SearchConfig().counts("asmk"))
        self.assertEqual([SearchConfig(evidence="global, geometry").counts(name) for name in EVIDENCE],
                         [True, False, False, True, False])
        self.assertFalse(SearchConfig().counts("neighbors"))

    def test_needs_no_library_that_takes_long_to_load(self):
        code = ("import sys, delg.settings.search\n"
                "print(*(name for name in ('tensorflow', 'faiss', 'scipy', 'cv2', 'skimage', 'h5py') "
                "if name in sys.modules))")
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                              timeout=60)
        self.assertEqual(done.stdout.split(), [])


if __name__ == "__main__":
    unittest.main()
