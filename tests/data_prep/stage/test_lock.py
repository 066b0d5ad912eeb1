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
_SHARER = _HOLDER.replace('locked(sys.argv[1], "busy")', "alone_at(sys.argv[1:])")


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

    def test_one_process_at_a_time_works_in_a_folder(self):
        with tempfile.TemporaryDirectory() as directory:
            folder = os.path.join(directory, "model")
            with lock.alone_in(folder, "model_dir", "trained into"), \
                    self.assertRaisesRegex(OSError, "^`model_dir` must be trained into by one process at a "
                                           "time. Received: '.*model', where another one is at work.$"), \
                    lock.alone_in(folder, "model_dir", "trained into"):
                pass
            with lock.alone_in(folder):
                pass

    def test_processes_share_a_folder_but_not_its_files(self):
        with tempfile.TemporaryDirectory() as directory:
            paths = [os.path.join(directory, name) for name in "abc"]
            with subprocess.Popen([sys.executable, "-c", _SHARER, *paths[:2]], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE) as holder:
                self.assertEqual(holder.stdout.readline(), b"held\n")
                with lock.alone_at(paths[2:]):
                    pass
                with self.assertRaisesRegex(OSError, "^A shard of `output_dir` must be written by one "
                                            f"process at a time. Received: '{paths[1]}', at which another"), \
                        lock.alone_at(paths[1:]):
                    pass
                holder.kill()
                holder.wait()
            with lock.alone_at(paths):
                pass


if __name__ == "__main__":
    unittest.main()
