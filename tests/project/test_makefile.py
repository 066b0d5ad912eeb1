"""What the targets of the Makefile come to, with weights of a backbone and without."""

import os
import shlex
import subprocess
import unittest

from tests.documents import sources

_WEIGHTS_FLAGS = {"real": "--backbone_weights", "vae-demo": "--imagenet_weights",
                  "hashing-demo": "--backbone_weights"}


def _make(*arguments):
    """Runs make without running what it would run; variables of this process's own make are left out."""
    environment = {name: value for name, value in os.environ.items() if name not in ("WEIGHTS", "MAKEFLAGS")}
    return subprocess.run(["make", "-n", *arguments], cwd=sources.ROOT, env=environment, capture_output=True,
                          text=True, check=True).stdout


class WeightsTest(unittest.TestCase):
    def check(self, expected, *variables):
        for target, flag in _WEIGHTS_FLAGS.items():
            commands = shlex.split(_make(target, "DATA=photos", *variables))
            self.assertIn(f"{flag}={expected}", commands, target)
            self.assertIn("--data_dir=photos", commands, target)

    def test_a_package_brings_them_where_none_are_given(self):
        self.check("package")

    def test_a_file_is_taken_as_it_is_given(self):
        self.check("m.weights.h5", "WEIGHTS=m.weights.h5")

    def test_none_may_be_asked_for(self):
        self.check("", "WEIGHTS=")


if __name__ == "__main__":
    unittest.main()
