import os
import random
import struct
import unittest

import h5py
import numpy as np
from scipy import io

from data_prep.sources import revisited
from data_prep.sources.formats import matlab_file
from tests.fixtures.temporary_files import FilesTest

GND = {"bbx": np.array([1.0, 2, 3.5, 4]), "easy": np.array([2], np.uint8), "hard": np.zeros((0, 0)),
       "junk": np.array([1, 3], np.int64)}


def cell(*values):
    cells = np.empty((1, len(values)), object)
    cells[0, :] = values
    return cells


class MatlabFileTest(FilesTest):
    def read(self, compressed=False, **variables):
        io.savemat(self.path("a.mat"), variables, do_compression=compressed)
        return matlab_file.read_variables(self.path("a.mat"), tuple(variables))

    def assert_refused(self, said, **variables):
        with self.assertRaisesRegex(ValueError, f"a.mat must be a MATLAB 5 file with .*Received: .*{said}"):
            self.read(**variables)

    def test_numbers_keep_type_and_shape(self):
        for compressed in (False, True):
            for dtype in ("f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"):
                values = np.arange(6).reshape(2, 3).astype(dtype)
                found = self.read(compressed, x=values)["x"]
                np.testing.assert_array_equal(found, values)
                self.assertEqual(found.dtype, dtype)
        self.assertEqual(self.read(x=np.zeros((2, 0, 3)))["x"].shape, (2, 0, 3))

    def test_texts_cells_and_structs(self):
        found = self.read(text="héllo", rows=["a", "bcd"], names=cell("x", "yz", cell("w")), empty="",
                          entries=np.array([(1, "p"), (2, "q")], [("number", object), ("name", object)]))
        self.assertEqual(found["text"], "héllo")
        self.assertEqual(found["rows"], ["a", "bcd"])
        self.assertEqual(found["names"], ["x", "yz", ["w"]])
        self.assertEqual(found["empty"], "")
        self.assertEqual([(entry["number"].tolist(), entry["name"]) for entry in found["entries"]],
                         [([[1]], "p"), ([[2]], "q")])

    def test_only_what_is_asked_for_is_read(self):
        io.savemat(self.path("a.mat"), {"x": np.eye(2), "odd": np.eye(2) * 1j})
        self.assertEqual(list(matlab_file.read_variables(self.path("a.mat"), ("x",))), ["x"])

    def test_the_other_byte_order_and_small_storage(self):  # as MATLAB stores doubles that are small integers
        matrix = (struct.pack(">4I", 6, 8, 6, 0) + struct.pack(">2I2i", 5, 8, 1, 2)
                  + struct.pack(">2H", 1, 1) + b"x\0\0\0" + struct.pack(">2H", 2, 2) + bytes([7, 200, 0, 0]))
        content = b"".ljust(124) + b"\1\0MI" + struct.pack(">2I", 14, len(matrix)) + matrix
        found = matlab_file.read_variables(self.write("a.mat", content), ("x",))["x"]
        self.assertEqual((found.tolist(), found.dtype), ([[7.0, 200.0]], np.float64))

    def test_a_cell_that_was_never_filled(self):
        io.savemat(self.path("a.mat"), {"x": cell(np.zeros((0, 0)))})
        with open(self.path("a.mat"), "rb") as file:
            content = file.read()
        inner = content[-56:]
        self.assertEqual(struct.unpack("<2I", inner[:8]), (14, 48))
        outer = bytearray(content[128:-56] + struct.pack("<2I", 14, 0))
        outer[4:8] = struct.pack("<I", len(outer) - 8)
        found = matlab_file.read_variables(self.write("b.mat", content[:128] + bytes(outer)), ("x",))
        self.assertEqual([value.shape for value in found["x"]], [(0, 0)])

    def test_refuses_what_it_does_not_read(self):
        self.assert_refused("'x' of a kind that is not read", x=np.eye(2) * 1j)
        deep = cell("a")
        for _ in range(9):
            deep = cell(deep)
        self.assert_refused("more than 8 deep", x=deep)
        for content in (b"", b"text", b"MATLAB 5 MAT-file".ljust(126) + b"\0\0" * 100):
            with self.assertRaisesRegex(ValueError, "a.mat must be a MATLAB 5 file with x. .*another kind"):
                matlab_file.read_variables(self.write("a.mat", content), ("x",))

    def test_v73_is_named_with_the_way_out(self):
        with h5py.File(self.path("a.mat"), "w") as file:
            file["x"] = np.eye(2)
        with open(self.path("a.mat"), "rb") as file:
            hdf5 = file.read()
        for order in (b"\0\2IM", b"\2\0MI"):
            head = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + order
            for content in (hdf5, head.ljust(512, b"\0") + hdf5):
                with self.assertRaisesRegex(ValueError, "a.mat .* one of -v7.3, which is HDF5; save it by "
                                                        "-v7, or by scipy.io.savemat"):
                    matlab_file.read_variables(self.write("a.mat", content), ("x",))

    def test_small_files_that_unpack_to_much_are_refused(self):
        io.savemat(self.path("a.mat"), {"x": np.zeros((1, 10**7))}, do_compression=True)
        self.assertLess(os.path.getsize(self.path("a.mat")), 100_000)
        with self.assertRaisesRegex(ValueError, "a variable of more than [0-9]{8} bytes"):
            matlab_file.read_variables(self.path("a.mat"), ("x",))

    def test_refuses_a_file_without_the_variable(self):
        io.savemat(self.path("a.mat"), {"x": 1})
        with self.assertRaisesRegex(ValueError, r"with x and y. Received: no variable y among \['x'\]"):
            matlab_file.read_variables(self.path("a.mat"), ("x", "y"))

    def test_counts_beyond_the_file_are_refused_at_once(self):
        io.savemat(self.path("a.mat"), {"x": cell("a", "b"), "text": ["ab", "cd"]})
        with open(self.path("a.mat"), "rb") as file:
            content = bytearray(file.read())
        starts = {"x": 128, "text": content.index(b"text") - 40}
        for name, dims, said in (("x", (2**31 - 1, 2**31 - 1), "2 values where there should be 4611686"),
                                 ("x", (-1, 2), r"'x' of shape \(-1, 2\)"),
                                 ("text", (2**31 - 1, 2), r"\(2147483647, 2\) with 4 characters")):
            damaged = bytearray(content)
            place = damaged.index(struct.pack("<2I", 5, 8), starts[name])
            damaged[place + 8:place + 16] = struct.pack("<2i", *dims)
            with self.assertRaisesRegex(ValueError, said):
                matlab_file.read_variables(self.write("b.mat", bytes(damaged)), (name,))


class DamagedGroundTruthTest(FilesTest):
    """SciPy's reader ended the process on some of these."""

    def contents(self):
        for compressed in (False, True):
            stored = {"imlist": cell("a", "b", "c"), "qimlist": cell("q"), "gnd": GND}
            io.savemat(self.path("gnd.mat"), stored, do_compression=compressed)
            with open(self.path("gnd.mat"), "rb") as file:
                yield file.read()

    def test_whole_files_are_read(self):
        for content in self.contents():
            truth = revisited.read_ground_truth(self.write("gnd.mat", content))
            self.assertEqual(truth, {"imlist": ["a", "b", "c"], "qimlist": ["q"], "gnd": [
                {"bbx": [1, 2, 3.5, 4], "easy": [1], "hard": [], "junk": [0, 2]}]})

    def test_every_truncation_is_refused(self):
        for content in self.contents():
            for length in range(len(content)):
                with self.assertRaisesRegex(ValueError, "gnd.mat must be a MATLAB 5 file", msg=length):
                    revisited.read_ground_truth(self.write("gnd.mat", content[:length]))

    def test_any_other_damage_is_refused_or_harmless(self):
        chance = random.Random(0)
        for content in self.contents():
            refused = 0
            for _ in range(400):
                damaged = bytearray(content)
                for _ in range(chance.randrange(1, 4)):
                    damaged[chance.randrange(128, len(damaged))] ^= 1 << chance.randrange(8)
                try:
                    revisited.read_ground_truth(self.write("gnd.mat", bytes(damaged)))
                except ValueError as error:
                    self.assertIn("gnd.mat", str(error))
                    refused += 1
            self.assertGreater(refused, 100)


if __name__ == "__main__":
    unittest.main()
