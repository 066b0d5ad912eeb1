"""Memory that a process frees serves it again."""

import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import unittest

import pytest

_FAULTS_OF_SECOND_ARRAY = """
import resource, sys
import numpy as np
from data_prep.stage import allocator, children
def faults():
    np.ones(2**25)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(2**25)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
if __name__ == "__main__":
    if sys.argv[1] == "child":
        print(children.process_pool(1).submit(faults).result())
    else:
        print(allocator.keep_freed_memory() and faults() if sys.argv[1] == "kept" else faults())
"""
_MEGABYTES_HELD = """
from data_prep.stage import allocator
def held():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) // 256
import numpy as np
assert allocator.keep_freed_memory()
before = held()
np.ones(2**25)
kept = held() - before
assert allocator.give_back_freed_memory()
print(kept, held() - before)
"""
_PAGES = 2**25 * 8 // 4096


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
class AllocatorTest(unittest.TestCase):
    def test_an_array_takes_the_pages_of_the_one_freed_before(self):
        taken = {how: self._faults(how) for how in ("given back", "kept", "child")}
        self.assertGreater(taken["given back"], _PAGES / 600)  # where pages are huge, of 512 each
        self.assertLess(taken["kept"], taken["given back"] / 4)
        self.assertLess(taken["child"], taken["given back"] / 4)

    def test_what_is_kept_is_given_back_on_request(self):
        kept, given_back = map(int, self._printed(_MEGABYTES_HELD).split())
        self.assertGreater(kept, 200)  # of 256
        self.assertLess(given_back, 50)

    def _faults(self, how: str) -> int:
        return int(self._printed(_FAULTS_OF_SECOND_ARRAY, how))

    def _printed(self, text: str, *arguments: str) -> str:
        script = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()), "script.py")
        script.write_text(text)
        root = pathlib.Path(__file__).parents[3]
        done = subprocess.run([sys.executable, str(script), *arguments], capture_output=True, text=True,
                              check=True, env={**os.environ, "PYTHONPATH": str(root)})
        return done.stdout


if __name__ == "__main__":
    unittest.main()
