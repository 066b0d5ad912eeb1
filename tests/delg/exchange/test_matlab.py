import os
import random
import tempfile
import unittest

import numpy as np
from scipy import io

from delg.exchange import matlab

INDEX = np.arange(12, dtype=np.float32).reshape(4, 3)
QUERY = np.float32([[1, 0, 0], [0, 0.5, 0]])


class MatlabFeaturesTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "features.mat")

    def store(self, content):
        with open(self.path, "wb") as file:
            file.write(content)

    def stored(self):
        with open(self.path, "rb") as file:
            return file.read()

    def assert_refused(self, said):
        with self.assertRaisesRegex(ValueError, f"features.mat .*{said}"):
            matlab.read_descriptors(self.path)

    def test_a_column_is_an_image(self):
        matlab.write_descriptors(self.path, INDEX, QUERY)
        stored = io.loadmat(self.path)
        np.testing.assert_array_equal(stored["X"], INDEX.T)
        np.testing.assert_array_equal(stored["Q"], QUERY.T)
        self.assertEqual(stored["X"].dtype, np.float32)

    def test_reads_back_what_was_written(self):
        matlab.write_descriptors(self.path, INDEX, QUERY)
        index, query = matlab.read_descriptors(self.path)
        np.testing.assert_array_equal(index, INDEX)
        np.testing.assert_array_equal(query, QUERY)
        self.assertEqual((index.dtype, query.dtype), (np.float32, np.float32))

    def test_reads_what_others_write(self):  # compressed, doubles, other variables of any kind beside
        stored = {"names": np.array(["a", "bc"], object), "X": INDEX.T.astype(float), "note": "text",
                  "Y": np.ones(3), "Q": QUERY.T}
        for compressed in (False, True):
            io.savemat(self.path, stored, do_compression=compressed)
            index, query = matlab.read_descriptors(self.path)
            np.testing.assert_array_equal(index, INDEX)
            np.testing.assert_array_equal(query, QUERY)

    def test_refuses_descriptors_of_two_dimensions(self):
        with self.assertRaisesRegex(ValueError, r"features.mat must be.*\(4, 3\) and \(2, 2\)"):
            matlab.write_descriptors(self.path, INDEX, QUERY[:, :2])
        io.savemat(self.path, {"X": INDEX.T, "Q": QUERY[:, :2].T})
        self.assert_refused(r"must be \[D, N\] and \[D, M\].*\(3, 4\) and \(2, 2\)")

    def test_refuses_what_is_no_real_matrix(self):
        for values, said in ((INDEX.T * 1j, "complex"), (np.ones((3, 4), np.int32), r"int32 \(3, 4\)"),
                             (np.ones((3, 4, 2)), r"float64 \(3, 4, 2\)"), (np.zeros((3, 0)), r"\(3, 0\)"),
                             (np.array(["a"], object), "precision. Received: object"),
                             (np.full((3, 4), np.nan), "and finite")):
            io.savemat(self.path, {"X": values, "Q": QUERY.T})
            self.assert_refused(said)

    def test_refuses_a_file_without_queries(self):
        io.savemat(self.path, {"X": INDEX.T, "Y": QUERY.T})
        self.assert_refused(r"no variable Q among \['X', 'Y'\]")

    def test_refuses_other_files(self):
        self.store(b"")
        self.assert_refused("another kind of file")
        self.store(b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM")
        self.assert_refused("one of -v7.3, which is HDF5; save it by -v7")
        os.remove(self.path)
        with self.assertRaisesRegex(FileNotFoundError, "features.mat.*no such file"):
            matlab.read_descriptors(self.path)

    def test_refuses_sizes_beyond_the_file(self):
        matlab.write_descriptors(self.path, INDEX, QUERY)
        content = bytearray(self.stored())
        content[132:136] = b"\xff\xff\xff\x7f"  # bytes of the first matrix
        self.store(content)
        self.assert_refused("an element of 2147483647 bytes")

    def test_any_damage_is_an_error_of_one_kind(self):
        chance = random.Random(0)
        for compressed in (False, True):
            io.savemat(self.path, {"X": INDEX.T, "Q": QUERY.T}, do_compression=compressed)
            content = self.stored()
            refused = 0
            for _ in range(200):
                damaged = bytearray(content[:chance.randrange(128, len(content))] if chance.random() < 0.3
                                    else content)
                for _ in range(3):
                    damaged[chance.randrange(len(damaged))] = chance.randrange(256)
                self.store(damaged)
                try:
                    matlab.read_descriptors(self.path)
                except ValueError as error:
                    self.assertIn("features.mat", str(error))
                    refused += 1
            self.assertGreater(refused, 60)


if __name__ == "__main__":
    unittest.main()
