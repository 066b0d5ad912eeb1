"""A few damaged files of every kind; `make fuzz` reads 2,000 of each."""

import os
import random
import signal
import time
import unittest
from unittest import mock

import numpy as np

from tests.fuzz import fuzz_readers, mutations
from tests.fuzz.targets import TARGETS


class ReadersTest(unittest.TestCase):
    def test_refuse_damaged_files_by_one_line(self):
        lines = fuzz_readers.run(list(TARGETS), range(12), seed=0, jobs=1)
        self.assertEqual(lines, [])


def _raise(error):
    raise error


class OutcomesTest(unittest.TestCase):
    """What each outcome is, on readers that behave so."""

    def read(self, reader):
        return fuzz_readers._read_apart(("/folder/a.h5", reader))

    def test_ok_and_refused(self):
        self.assertEqual(self.read(lambda: 1), ("ok", ""))
        self.assertEqual(self.read(lambda: _raise(ValueError("/folder/a.h5 is bad"))),
                         ("refused", "/folder/a.h5 is bad"))

    def test_other_errors_and_messages_are_faults(self):
        for error in (KeyError("/folder/a.h5"), ValueError("no name"),
                      ValueError("/folder/a.h5: /folder/a.h5 is bad")):
            outcome, text = self.read(lambda error=error: _raise(error))
            self.assertEqual(outcome, "traceback", text)

    def test_crashes(self):
        self.assertEqual(self.read(lambda: os.kill(os.getpid(), signal.SIGKILL)), ("crash", "signal 9"))

    def test_slow(self):
        with mock.patch.object(fuzz_readers, "_SECONDS", 1):
            self.assertEqual(self.read(lambda: time.sleep(5))[0], "slow")

    def test_big_even_if_it_is_refused(self):
        def read():
            try:
                np.ones(2**31, np.uint8)
            except MemoryError as error:
                raise ValueError("/folder/a.h5 is bad") from error

        self.assertEqual(self.read(read)[0], "big")


class MutationsTest(unittest.TestCase):
    def test_each_changes_a_text(self):
        content = b'{"a": [1, 2.5, null], "b": "text"}' * 20
        for mutation in mutations.MUTATIONS:
            changed = bytearray(content)
            for number in range(5):
                mutation(changed, random.Random(number))
            self.assertNotEqual(changed, content, mutation.__name__)

    def test_equal_seeds_damage_alike(self):
        first, second = (mutations.mutated(bytes(1000), random.Random("0 a 1")) for _ in range(2))
        self.assertEqual(first, second)


if __name__ == "__main__":
    unittest.main()
