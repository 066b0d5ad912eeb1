"""delg.settings.search: groups that make one flat set, without what a search works with."""

import dataclasses
import subprocess
import sys
import unittest

from delg.settings.kinds import RERANKERS
from delg.settings.search import GlobalSearchConfig, MatchingConfig, SearchConfig, VerificationConfig


class SearchConfigTest(unittest.TestCase):
    def test_is_the_groups_and_the_settings_of_every_reranker(self):
        groups = (GlobalSearchConfig, *(reranker.settings for reranker in RERANKERS.values()), MatchingConfig,
                  VerificationConfig)
        names = [field.name for group in groups for field in dataclasses.fields(group)]
        self.assertEqual([field.name for field in dataclasses.fields(SearchConfig)],
                         list(dict.fromkeys(names)))

    def test_needs_no_library_that_takes_long_to_load(self):
        code = ("import sys, delg.settings.search\n"
                "print(*(name for name in ('tensorflow', 'faiss', 'scipy', 'cv2', 'skimage', 'h5py') "
                "if name in sys.modules))")
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                              timeout=60)
        self.assertEqual(done.stdout.split(), [])


if __name__ == "__main__":
    unittest.main()
