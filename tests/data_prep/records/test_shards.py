"""Shards are written whole, found by pattern, and known by their SHA-256."""

import hashlib
import os
import tempfile
import unittest

import tensorflow as tf

from data_prep.records import shards


class ShardsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def test_name(self):
        self.assertEqual(shards.shard_name("train", 2, 128), "train-00002-of-00128")
        self.assertTrue(shards.is_shard_name("train-00002-of-00128"))
        self.assertFalse(shards.is_shard_name(".train-00002-of-00128.9.tmp"))

    def test_written_and_read(self):
        shard = shards.write_shard(self.path("train-00000-of-00001"), [b"one", b"three"])
        with open(self.path("train-00000-of-00001"), "rb") as file:
            content = file.read()
        self.assertEqual((shard.file, shard.num_examples), ("train-00000-of-00001", 2))
        self.assertEqual(shard.num_bytes, 2 * 16 + 3 + 5)  # 16 bytes of framing a record
        self.assertEqual(len(content), shard.num_bytes)
        self.assertEqual(shard.sha256, hashlib.sha256(content).hexdigest())
        records = tf.data.TFRecordDataset(self.path(shard.file)).as_numpy_iterator()
        self.assertEqual(list(records), [b"one", b"three"])

    def test_an_error_leaves_nothing(self):
        def examples():
            yield b"one"
            raise KeyboardInterrupt
        with self.assertRaises(KeyboardInterrupt):
            shards.write_shard(self.path("train-00000-of-00001"), examples())
        self.assertEqual(os.listdir(self.folder), [])

    def test_check_sees_a_changed_byte_and_a_lost_one(self):
        path = self.path("train-00000-of-00001")
        shard = shards.write_shard(path, [b"one"])
        shards.check_shard(path, shard)
        with open(path, "rb+") as file:
            file.seek(13)
            file.write(b"O")
        with self.assertRaisesRegex(ValueError, f"must have SHA-256 {shard.sha256}"):
            shards.check_shard(path, shard)
        os.truncate(path, 10)
        with self.assertRaisesRegex(ValueError, "must have 19 bytes. Received: 10 bytes"):
            shards.check_shard(path, shard)

    def test_found_in_order(self):
        for name in ("train-00001-of-00002", "train-00000-of-00002", "train.csv",
                     ".train-00000-of-00002.1.tmp", "validation-00000-of-00001"):
            open(self.path(name), "w").close()
        found = [os.path.basename(path) for path in shards.find_shards(self.path("train*"))]
        self.assertEqual(found, ["train-00000-of-00002", "train-00001-of-00002"])

    def test_refuses_a_pattern_without_shards(self):
        with self.assertRaisesRegex(FileNotFoundError, "No shard .* matches the pattern '.*train"):
            shards.find_shards(self.path("train*"))

    def test_refuses_two_numberings(self):
        for name in ("train-00000-of-00001", "train-00000-of-00002"):
            open(self.path(name), "w").close()
        with self.assertRaisesRegex(ValueError, r"of one numbering. Received: train-\*-of-00001, 00002"):
            shards.find_shards(self.path("train*"))


if __name__ == "__main__":
    unittest.main()
