"""A lock shuts others out while it is held, and ends with its holder, killed or not."""

import os
import subprocess
import sys
import tempfile
import unittest

from data_prep.stage import lock

_HOLDER = """
import sys
from data_prep.stage import lock
with lock.locked(sys.argv[1], "busy"):
    print("held", flush=True)
    sys.stdin.read()
"""


class LockedTest(unittest.TestCase):
    def test_other_processes_are_refused_until_the_holder_is_killed(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "lock")
            with subprocess.Popen([sys.executable, "-c", _HOLDER, path], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE) as holder:
                self.assertEqual(holder.stdout.readline(), b"held\n")
                with self.assertRaisesRegex(OSError, "^only one at a time$"), \
                        lock.locked(path, "only one at a time"):
                    pass
                holder.kill()
                holder.wait()
            with lock.locked(path, "busy"):
                pass


if __name__ == "__main__":
    unittest.main()
