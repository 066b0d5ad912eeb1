import os
import struct
import tempfile
import unittest

import numpy as np

from delg.exchange import delf
from delg.features.shards import LocalFeatures, no_local_features


def field(number, wire_type, payload):
    return bytes([number << 3 | wire_type]) + payload


def message(number, payload):
    return field(number, 2, bytes([len(payload)]) + payload)


class DelfFilesTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "image.delg_local")

    def store(self, encoded):
        with open(self.path, "wb") as file:
            file.write(encoded)

    def stored(self):
        with open(self.path, "rb") as file:
            return file.read()

    def test_global_descriptor_has_the_published_bytes(self):
        delf.write_datum(self.path, np.float32([0.6, 0.8]))
        values = message(1, struct.pack("<2f", 0.6, 0.8))  # packed
        self.assertEqual(self.stored(), message(1, message(1, b"\x02")) + message(2, values))
        np.testing.assert_array_equal(delf.read_datum(self.path), np.float32([0.6, 0.8]))

    def test_values_that_are_not_packed_are_read_too(self):
        values = b"".join(field(1, 5, struct.pack("<f", value)) for value in (0.6, 0.8))
        self.store(message(1, field(1, 0, b"\x02")) + message(2, values))
        np.testing.assert_array_equal(delf.read_datum(self.path), np.float32([0.6, 0.8]))

    def test_integers_and_matrices_are_kept(self):
        for values in (np.arange(6, dtype=np.uint32).reshape(2, 3), np.float32([[1], [2]])):
            delf.write_datum(self.path, values)
            read = delf.read_datum(self.path)
            self.assertEqual(read.dtype, values.dtype)
            np.testing.assert_array_equal(read, values)

    def test_local_feature_has_the_published_bytes(self):
        delf.write_local_features(self.path, LocalFeatures(
            np.float32([[3, 5]]), np.float32([[1, 0]]), np.float32([7]), np.float32([2])))
        datum = message(1, message(1, b"\x02")) + message(2, message(1, struct.pack("<2f", 1, 0)))
        numbers = b"".join(field(number, 5, struct.pack("<f", value))  # x, y, scale, orientation, strength
                           for number, value in ((2, 5), (3, 3), (4, 2), (5, 0), (6, 7)))
        self.assertEqual(self.stored(), message(1, message(1, datum) + numbers))

    def test_local_features_come_back(self):
        generator = np.random.default_rng(0)
        written = LocalFeatures(*(generator.normal(size=(5, *tail)).astype(np.float32)
                                  for tail in ((2,), (16,), (), ())))
        delf.write_local_features(self.path, written)
        read = delf.read_local_features(self.path)
        for name in ("keypoints_yx", "descriptors", "scores", "scales"):
            np.testing.assert_array_equal(getattr(read, name), getattr(written, name), name)

    def test_no_features_are_an_empty_file(self):
        delf.write_local_features(self.path, no_local_features(16))
        self.assertEqual(self.stored(), b"")
        self.assertEqual(len(delf.read_local_features(self.path)), 0)

    def test_refuses_another_kind_of_file(self):
        self.store(b"\xff\xd8 a photograph")
        for read, name in ((delf.read_datum, "DatumProto"),
                           (delf.read_local_features, "DelfFeatures")):
            with self.assertRaisesRegex(ValueError, f"image.delg_local must be a {name}. Received: 15 bytes"):
                read(self.path)

    def test_refuses_a_file_that_was_cut(self):
        delf.write_datum(self.path, np.float32([0.6, 0.8]))
        self.store(self.stored()[:-1])
        with self.assertRaisesRegex(ValueError, "image.delg_local must be a DatumProto"):
            delf.read_datum(self.path)

    def test_refuses_a_shape_that_promises_more_than_there_is(self):
        values = message(2, message(1, struct.pack("<2f", 1, 2)))
        for dim, said in ((b"\x05", "5"), (b"\xff" * 9 + b"\x01", "-1"),
                          (b"\xff" * 8 + b"\x7f", str(2**63 - 1))):
            self.store(message(1, message(1, dim)) + values)
            with self.assertRaisesRegex(ValueError, rf"image.*Received: shape \({said},\), 2 values"):
                delf.read_datum(self.path)

    def test_refuses_descriptors_of_different_lengths(self):
        features = b""
        for size in (1, 2):
            values = message(1, struct.pack(f"<{size}f", *range(size)))
            features += message(1, message(1, message(1, message(1, bytes([size]))) + message(2, values)))
        self.store(features)
        with self.assertRaisesRegex(ValueError, r"image.*one length. Received: shapes \(1,\), \(2,\)"):
            delf.read_local_features(self.path)

    def test_refuses_a_file_too_large_before_reading_it(self):
        with open(self.path, "wb") as file:
            file.truncate(delf.MAX_BYTES + 1)
        with self.assertRaisesRegex(ValueError, "at most 268435456 bytes. Received: 268435457 bytes"):
            delf.read_datum(self.path)

    def test_a_missing_file_is_named(self):
        with self.assertRaisesRegex(FileNotFoundError, "image.delg_local"):
            delf.read_datum(self.path)


if __name__ == "__main__":
    unittest.main()
