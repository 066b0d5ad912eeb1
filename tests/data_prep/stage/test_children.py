"""Processes that work for another end with it."""

import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from tests.fixtures.processes import is_alive

_PARENT = """
import os, sys, time
from data_prep.stage import children
if __name__ == "__main__":
    pool = children.process_pool(2, os.nice, 0)
    for pid in pool.map(time.sleep, (0.3, 0.3)):
        pass
    print(*(process.pid for process in pool._processes.values()), flush=True)
    for _ in range(4):
        pool.submit(time.sleep, 60)
    time.sleep(60)
"""


class ChildrenTest(unittest.TestCase):
    def test_none_outlives_its_parent(self):
        with tempfile.TemporaryDirectory() as folder:
            script = pathlib.Path(folder, "parent.py")
            script.write_text(_PARENT)
            root = str(pathlib.Path(__file__).parents[3])
            for end in (signal.SIGTERM, signal.SIGKILL):
                with self.subTest(end), subprocess.Popen(
                        [sys.executable, str(script)], stdout=subprocess.PIPE, text=True,
                        env={**os.environ, "PYTHONPATH": root}) as parent:
                    workers = [int(pid) for pid in parent.stdout.readline().split()]
                    self.assertEqual(len(workers), 2)
                    parent.send_signal(end)
                    self.assertEqual(parent.wait(10), -end)
                    until = time.monotonic() + 10
                    while any(map(is_alive, workers)) and time.monotonic() < until:
                        time.sleep(0.05)
                    self.assertEqual([pid for pid in workers if is_alive(pid)], [])


if __name__ == "__main__":
    unittest.main()
