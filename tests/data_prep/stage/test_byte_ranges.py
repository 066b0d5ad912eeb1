"""Parts of a file come in the order asked for, in few reads; files in use stay open."""

import os
import tempfile
import unittest
from unittest import mock

import numpy as np

from data_prep.stage import byte_ranges


class ByteRangesTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "file")
        self.content = np.random.default_rng(0).bytes(200_000)
        with open(self.path, "wb") as file:
            file.write(self.content)
        self.file = byte_ranges.RangeFile(self.path)

    def reads_of(self, spans: list) -> list:
        """Offset and length of each read, after a check of what came."""
        reads, read = [], self.file.read
        with mock.patch.object(self.file, "read", lambda *span: reads.append(span) or read(*span)):
            parts = byte_ranges.read_parts(self.file, spans)
        self.assertEqual(parts, [self.content[start:start + length] for start, length in spans])
        return reads

    def test_parts_beside_each_other_are_read_together(self):
        self.assertEqual(self.reads_of([(400, 50), (100, 300), (450, 0), (100, 300)]), [(100, 350)])

    def test_a_small_gap_is_read_along(self):
        self.assertEqual(self.reads_of([(0, 10), (10 + 32768, 10)]), [(0, 32788)])
        self.assertEqual(self.reads_of([(0, 10), (11 + 32768, 10)]), [(0, 10), (32779, 10)])

    def test_what_is_read_together_has_an_end(self):
        with mock.patch.object(byte_ranges, "_LONGEST", 100):
            self.assertEqual(self.reads_of([(0, 60), (60, 40), (100, 200)]), [(0, 100), (100, 200)])

    def test_a_part_inside_another(self):
        self.assertEqual(self.reads_of([(10, 5), (0, 100), (90, 20)]), [(0, 110)])

    def test_nothing_asked_for(self):
        self.assertEqual(self.reads_of([]), [])

    def test_the_end_of_the_file(self):
        self.assertEqual(byte_ranges.read_parts(self.file, [(199_990, 20)]), [self.content[-10:]])
        self.assertEqual(self.file.num_bytes, 200_000)

    def test_few_files_stay_open(self):
        before = len(os.listdir("/proc/self/fd"))
        opened = byte_ranges.OpenFiles()
        self.assertIs(opened.get(self.path), opened.get(self.path))
        for number in range(100):
            link = f"{self.path}{number}"
            os.link(self.path, link)
            opened.get(link)
        self.assertEqual(len(os.listdir("/proc/self/fd")) - before, 64)
        del opened
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)

    def test_no_such_file(self):
        with self.assertRaisesRegex(FileNotFoundError, "nowhere"):
            byte_ranges.OpenFiles().get(os.path.join(os.path.dirname(self.path), "nowhere"))


if __name__ == "__main__":
    unittest.main()
