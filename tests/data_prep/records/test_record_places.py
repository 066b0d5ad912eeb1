"""Where records lie is written with a shard, and made anew where it does not fit."""

import os
import shutil
import tempfile
import unittest
from unittest import mock

import numpy as np

from data_prep.records import record_places, shards
from data_prep.records.record_file import record_spans
from data_prep.stage import files


class RecordPlacesTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.path = os.path.join(folder.name, "train-00000-of-00001")
        self.shard = shards.write_shard(self.path, [b"one", b"", b"three"])
        self.kept = record_places.details_path(self.path, self.shard, "lengths.npy")

    def test_by_hand(self):  # 12 bytes before the data of each record, 4 after it
        self.assertEqual(record_places.spans_of(self.path, self.shard).tolist(), [[12, 3], [31, 0], [47, 5]])

    def test_written_with_the_shard(self):
        self.assertEqual(np.load(self.kept).tolist(), [3, 0, 5])
        with mock.patch.object(record_places, "record_spans", side_effect=AssertionError):
            self.assertEqual(len(record_places.spans_of(self.path, self.shard)), 3)

    def test_a_shard_without_records(self):
        path = os.path.join(self.folder, "test-00000-of-00001")
        self.assertEqual(record_places.spans_of(path, shards.write_shard(path, [])).shape, (0, 2))

    def test_found_once_where_nothing_is_kept(self):
        shutil.rmtree(os.path.dirname(self.kept))
        with mock.patch.object(record_places, "record_spans", side_effect=record_spans) as looked:
            found = [record_places.spans_of(self.path, self.shard).tolist() for _ in range(2)]
        self.assertEqual(looked.call_count, 1)
        self.assertEqual(found, [[[12, 3], [31, 0], [47, 5]]] * 2)

    def test_a_folder_that_cannot_be_written_is_no_error(self):
        shutil.rmtree(os.path.dirname(self.kept))
        with mock.patch.object(files, "replacing", side_effect=PermissionError):
            self.assertEqual(len(record_places.spans_of(self.path, self.shard)), 3)
        self.assertFalse(os.path.exists(self.kept))

    def test_what_does_not_fit_is_made_anew_with_a_word(self):
        arrays = ([3, 0], [3, 0, 4], [3, -1, 6], [[3, 0, 5]], [3.0, 0.0, 5.0], [2**62, 2**62, 2**63 - 1])
        for content in (b"", b"damaged", *map(_npy, arrays)):
            with open(self.kept, "wb") as file:
                file.write(content)
            with self.assertLogs(level="WARNING") as said:
                found = record_places.spans_of(self.path, self.shard)
            self.assertIn("its records are looked for anew", said.output[0])
            self.assertEqual(found.tolist(), [[12, 3], [31, 0], [47, 5]])
            self.assertEqual(np.load(self.kept).tolist(), [3, 0, 5])

    def test_no_changed_byte_moves_a_record(self):
        with open(self.kept, "rb") as file:
            content = file.read()
        with mock.patch.object(record_places.logging, "warning"):
            for place in range(len(content)):
                with open(self.kept, "wb") as file:
                    file.write(content[:place] + bytes([content[place] ^ 0x11]) + content[place + 1:])
                self.assertEqual(record_places.spans_of(self.path, self.shard).tolist(),
                                 [[12, 3], [31, 0], [47, 5]], place)

    def test_a_shard_cut_off_is_refused(self):
        os.truncate(self.path, 30)
        with self.assertLogs(level="WARNING"), self.assertRaisesRegex(
                ValueError, "train-00000-of-00001 must be whole"):
            record_places.spans_of(self.path, self.shard)


def _npy(values: list) -> bytes:
    with tempfile.TemporaryFile() as file:
        np.save(file, np.array(values))
        file.seek(0)
        return file.read()


if __name__ == "__main__":
    unittest.main()
