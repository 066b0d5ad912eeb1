"""Records come by number as they were written, and their details without their images."""

import contextlib
import os
import shutil
import tempfile
import threading
import unittest
from concurrent import futures
from unittest import mock

import numpy as np
import tensorflow as tf

from data_prep.records import record_places, record_reading, shards
from data_prep.records.example import encode_example
from data_prep.stage import byte_ranges

IMAGE = bytes(range(256)) * 40


def write(folder: str, sizes: list) -> tuple:
    """Shards of given sizes; every third example has no label, every second a domain, all a long image."""
    first, files, written = 0, [], []
    for index, size in enumerate(sizes):
        examples = []
        for number in range(first, first + size):
            label = None if number % 3 == 2 else number * 1000
            example = tf.train.Example.FromString(encode_example(
                IMAGE + b"%d" % number, str(number), "JPEG", 24, 32, label,
                domain="night" if number % 2 else None))
            example.features.feature["image/pair"].bytes_list.value.append(b"pair %d" % (number // 2))
            examples.append(example.SerializeToString(deterministic=True))
        first += size
        files.append(os.path.join(folder, shards.shard_name("train", index, len(sizes))))
        written.append(shards.write_shard(files[-1], examples))
    return files, written


@contextlib.contextmanager
def counted_reads():
    """Gives a list that grows by (offset, length) with each read of a shard."""
    reads, read = [], byte_ranges.RangeFile.read

    def counting(self, offset, length):
        reads.append((offset, length))
        return read(self, offset, length)

    with mock.patch.object(byte_ranges.RangeFile, "read", counting):
        yield reads


class RecordReadingTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.files, self.shards = write(folder.name, [4, 0, 1, 6])
        self.expected = [record.numpy() for record in tf.data.TFRecordDataset(self.files)]

    def test_examples_by_number(self):
        numbers = np.array([10, 0, 4, 3, 4, 5, 9])
        found = record_reading.RecordReader(self.files, self.shards).read(numbers)
        self.assertEqual(found.tolist(), [self.expected[number] for number in numbers])

    def test_a_shard_costs_few_reads(self):  # a file on a network answers each after a while
        with counted_reads() as reads, mock.patch.object(record_places, "record_spans",
                                                         side_effect=AssertionError):
            reader = record_reading.RecordReader(self.files, self.shards)
            reader.read(np.array([10, 0, 5, 8, 3]))  # of two shards, with small gaps
            reader.read(np.array([6, 9, 7, 8]))
            reader.read(np.array([4]))
        (_, whole), (_, most), (_, four), (_, one) = reads
        self.assertEqual((whole, most), tuple(os.path.getsize(self.files[file]) - 12 for file in (0, 3)))
        self.assertEqual((four, one), (sum(map(len, self.expected[6:10])) + 3 * 16 + 4,
                                       len(self.expected[4]) + 4))

    def test_an_image_that_many_ask_for_is_read_whole_each_time(self):
        reader = record_reading.RecordReader(self.files, self.shards)
        with futures.ThreadPoolExecutor(8) as pool:
            for found in pool.map(reader.read, [np.array([number % 11, 10]) for number in range(100)]):
                self.assertEqual(found[1], self.expected[10])

    def test_shards_of_unknown_places_are_looked_into_at_once(self):
        shutil.rmtree(os.path.join(self.folder, ".details"))
        both = threading.Barrier(2, timeout=30)
        spans_of = record_places.spans_of

        def waits_for_another(path, shard):
            both.wait()
            return spans_of(path, shard)

        with mock.patch.object(record_reading, "spans_of", waits_for_another):
            found = record_reading.RecordReader(self.files, self.shards).read(np.array([0, 10]))
        self.assertEqual(found.tolist(), [self.expected[0], self.expected[10]])

    def test_kept_places_of_other_bytes_are_found_anew(self):
        lengths = [len(record) for record in self.expected[5:]]
        lengths[0] += 2
        lengths[1] -= 2  # fits the size of the shard, and yet is wrong
        record_places.keep_lengths(self.files[3], self.shards[3], lengths)
        with self.assertLogs(level="WARNING") as said:
            found = record_reading.RecordReader(self.files, self.shards).read(np.array([6, 5]))
        self.assertEqual(found.tolist(), [self.expected[6], self.expected[5]])
        self.assertIn("train-00003-of-00004 lie elsewhere than .details/ says", said.output[0])
        with self.assertNoLogs(level="WARNING"):
            record_reading.RecordReader(self.files, self.shards).read(np.array([6, 5]))

    def test_details(self):
        for _ in range(2):  # the second time from what was kept
            details = record_reading.read_details(self.files, self.shards)
            self.assertEqual(details.labels.tolist(),
                             [0, 1000, -1, 3000, 4000, -1, 6000, 7000, -1, 9000, 10000])
            self.assertEqual(details.domains.tolist(), [b"", b"night"] * 5 + [b""])
            self.assertEqual(details.pairs[:3].tolist(), [b"pair 0", b"pair 0", b"pair 1"])

    def test_details_are_kept_for_these_shards_alone(self):
        record_reading.read_details(self.files, self.shards)
        kept = [name for name in os.listdir(os.path.join(self.folder, ".details")) if name.endswith(".npz")]
        self.assertEqual(len(kept), 4)
        for damage in (b"", b"damaged", b"PK\x03\x04 damaged"):
            for name in kept:
                with open(os.path.join(self.folder, ".details", name), "wb") as file:
                    file.write(damage)
            self.assertEqual(len(record_reading.read_details(self.files, self.shards).labels), 11)
        self.files, self.shards = write(self.folder, [2, 0, 1, 9])  # other shards of the same names
        self.assertEqual(len(record_reading.read_details(self.files, self.shards).labels), 12)

    def test_details_without_a_folder_to_keep_them_in(self):
        shutil.rmtree(os.path.join(self.folder, ".details"))
        with open(os.path.join(self.folder, ".details"), "w", encoding="utf-8"):
            pass  # a file where the folder should be
        self.assertEqual(len(record_reading.read_details(self.files, self.shards).labels), 11)

    def test_fields_in_several_messages(self):  # which protocol buffers merge
        example = tf.train.Example.FromString(self.expected[1])
        parts = [tf.train.Example(features=tf.train.Features(feature={name: feature})).SerializeToString()
                 for name, feature in sorted(example.features.feature.items(), reverse=True)]
        path = os.path.join(self.folder, shards.shard_name("other", 0, 1))
        written = shards.write_shard(path, [b"".join(parts)])
        details = record_reading.read_details([path], [written])
        self.assertEqual([column.tolist() for column in details], [[1000], [b"night"], [b"pair 0"]])

    def test_fields_in_another_order(self):
        example = tf.train.Example.FromString(self.expected[1])
        one = tf.train.Features(feature={"image/encoded": example.features.feature["image/encoded"]})
        two = tf.train.Features(feature={"image/class/label": example.features.feature["image/class/label"]})
        inner = one.SerializeToString() + two.SerializeToString()
        path = os.path.join(self.folder, shards.shard_name("other", 0, 1))
        written = shards.write_shard(path, [b"\x0a" + _varint(len(inner)) + inner])
        self.assertEqual(record_reading.read_details([path], [written]).labels.tolist(), [1000])

    def test_damaged_data_is_refused(self):
        with open(self.files[0], "r+b") as file:
            file.seek(3000)
            file.write(b"\0\0\0")
        with self.assertRaisesRegex(ValueError, "train-00000-of-00004 must be whole. Received: at byte 12 "):
            record_reading.RecordReader(self.files, self.shards).read(np.arange(4))

    def test_a_record_that_is_no_example_is_refused(self):
        path = os.path.join(self.folder, shards.shard_name("other", 0, 1))
        written = shards.write_shard(path, [b"\xff" * 100])
        with self.assertRaisesRegex(ValueError, "must be a serialized example"):
            record_reading.read_details([path], [written])

    def test_fewer_records_than_described_are_refused(self):
        shards.write_shard(self.files[0], self.expected[:2])
        reader = record_reading.RecordReader(self.files, self.shards)
        with self.assertRaisesRegex(ValueError, "must hold the 4 records .* Received: 2 records"):
            reader.read(np.array([0]))


def _varint(value: int) -> bytes:
    encoded = b""
    while value >= 0x80:
        encoded, value = encoded + bytes([value & 0x7F | 0x80]), value >> 7
    return encoded + bytes([value])


if __name__ == "__main__":
    unittest.main()
