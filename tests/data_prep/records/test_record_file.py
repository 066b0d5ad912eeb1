"""Records are read as TensorFlow writes them."""

import struct
import unittest

import tensorflow as tf

from data_prep.records import record_file
from tests.fixtures.datasets import DatasetTest


class RecordFileTest(DatasetTest):
    def test_reads_what_tensorflow_writes(self):
        self.write()
        path = self.path("train-00000-of-00002")
        expected = [record.numpy() for record in tf.data.TFRecordDataset(path)]
        self.assertEqual([record.data for record in record_file.read_records(path)], expected)
        with open(path, "rb") as file:
            content = file.read()
        self.assertEqual([content[start:start + length] for start, length in record_file.record_spans(path)],
                         expected)

    def test_spans_of_a_damaged_file(self):
        path = self.path("file")
        with open(path, "wb") as file:
            file.write(struct.pack("<QI", 5, 0) + b"12345" + bytes(4))
        with self.assertRaisesRegex(ValueError, f"Records of {path} must be whole. Received: at byte 0 one "
                                                "whose CRC of its length does not match"):
            list(record_file.record_spans(path))


if __name__ == "__main__":
    unittest.main()
