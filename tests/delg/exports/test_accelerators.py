"""Processes take one accelerator each, and memory as they need it; accelerators are made up."""

import subprocess
import sys
import tempfile
import unittest
from unittest import mock

import tensorflow as tf

from delg.exports import accelerators

_CLAIM = """
import sys
from unittest import mock
import tensorflow as tf
from delg.exports import accelerators
visible = []
with mock.patch.object(tf.config, "list_physical_devices", return_value=["a", "b"]), \\
        mock.patch.object(tf.config, "set_visible_devices", lambda device, kind: visible.append(device)):
    found = [accelerators.claim_one() for _ in range(2)]
print(found[0], found[1], *visible, flush=True)
sys.stdin.read()
"""


class AcceleratorsTest(unittest.TestCase):
    def test_memory_grows_on_each(self):
        with mock.patch.object(tf.config, "list_physical_devices", return_value=["a", "b"]), \
                mock.patch.object(tf.config.experimental, "set_memory_growth",
                                  side_effect=[RuntimeError("runs already"), None]) as grow:
            accelerators.grow_memory()
        self.assertEqual(grow.call_args_list, [mock.call("a", True), mock.call("b", True)])

    def test_nothing_to_choose(self):
        for devices in ([], ["a"]):
            with mock.patch.object(tf.config, "list_physical_devices", return_value=devices):
                self.assertIsNone(accelerators.claim_one())

    def test_each_process_claims_another_until_all_are_taken(self):
        with tempfile.TemporaryDirectory() as folder:
            processes = []
            try:
                for _ in range(3):
                    processes.append(subprocess.Popen(
                        [sys.executable, "-c", _CLAIM], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                        text=True, env={"TMPDIR": folder, "PATH": "", "TF_CPP_MIN_LOG_LEVEL": "3"}))
                claimed = [process.stdout.readline().split() for process in processes]
            finally:
                for process in processes:
                    process.communicate("")
        for first, second, device in claimed:
            self.assertEqual((first, device), (second, "ab"[int(first)]))
        self.assertEqual({first for first, *_ in claimed}, {"0", "1"})

    def test_too_late(self):
        with mock.patch.object(tf.config, "list_physical_devices", return_value=["a", "b"]), \
                mock.patch.object(accelerators, "_claimed", []), \
                mock.patch.object(accelerators, "_lock", return_value=False), \
                mock.patch.object(tf.config, "set_visible_devices", side_effect=RuntimeError), \
                self.assertLogs(level="WARNING") as said:
            self.assertIn(accelerators.claim_one(), (0, 1))
        self.assertIn("computed before accelerator", said.output[0])


if __name__ == "__main__":
    unittest.main()
