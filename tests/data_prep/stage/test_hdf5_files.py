"""HDF5 files on a disk that fills, and files that point elsewhere, ask for too much or are damaged."""

import os
import pathlib
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import h5py
import numpy as np

from data_prep.stage import hdf5_files

_FILL = """
import sys
import numpy as np
from data_prep.stage import hdf5_files
try:
    with hdf5_files.writing(sys.argv[1]) as writer:
        rows = writer.file.create_dataset("rows", (0, 64), "float32", maxshape=(None, 64), chunks=(256, 64))
        for _ in range(200):
            rows.resize(len(rows) + 100, axis=0)
            rows[-100:] = np.ones((100, 64))
            if sys.argv[2] == "checks":
                writer.check()
except OSError as error:
    print(error)
"""


class WritingTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "a.h5")

    def test_a_file_is_there_when_the_block_ends_well(self):
        with hdf5_files.writing(self.path) as writer:
            writer.file["x"] = np.arange(3)
            self.assertFalse(os.path.exists(self.path))
        with h5py.File(self.path) as file:
            np.testing.assert_array_equal(file["x"][:], [0, 1, 2])

    def test_an_error_in_the_block_leaves_nothing(self):
        with self.assertRaisesRegex(KeyError, "mine"), hdf5_files.writing(self.path) as writer:
            writer.file["x"] = np.arange(3)
            raise KeyError("mine")
        self.assertEqual(os.listdir(os.path.dirname(self.path)), [])

    def test_a_disk_that_fills_is_an_error_and_leaves_nothing(self):
        """A limit on the size of files stands in for it; HDF5 alone ends with a segmentation fault."""
        def limit() -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

        for way in ("checks", "goes on"):
            done = subprocess.run([sys.executable, "-c", _FILL, self.path, way], preexec_fn=limit, text=True,
                                  capture_output=True, cwd=pathlib.Path(__file__).parents[3], timeout=60)
            self.assertEqual((done.returncode, done.stdout), (
                0, f"[Errno 27] File too large: '{self.path}'\n"), done.stderr)
            self.assertEqual(os.listdir(os.path.dirname(self.path)), [])


class ChecksumTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "a.h5")

    def write(self) -> bytes:
        with hdf5_files.writing(self.path) as writer:
            rows = writer.create_rows("rows", (3,), "float32")
            rows.resize(5, axis=0)
            rows[:] = np.arange(15).reshape(5, 3)
            rows.attrs["dimension"] = 3
            writer.write_array("whole", np.arange(4))
            writer.write_array("none", np.zeros((0, 2)))
            writer.write_texts("ids", ["a", "Zürich", ""])
            writer.describe(config='{"a": 1}', format=2)
        return pathlib.Path(self.path).read_bytes()

    def read(self) -> list:
        with hdf5_files.reading(self.path, "a thing") as file:
            return [file["rows"][:].tolist(), int(file["rows"].attrs["dimension"]), file["whole"][:].tolist(),
                    file["none"].shape, list(file["ids"].asstr()[:]), file.attrs["config"],
                    int(file.attrs["format"])]

    def test_no_byte_changes_unnoticed(self):
        content = self.write()
        expected = [np.arange(15).reshape(5, 3).tolist(), 3, [0, 1, 2, 3], (0, 2), ["a", "Zürich", ""],
                    b'{"a": 1}', 2]
        self.assertEqual(self.read(), expected)
        refused = 0
        for place in range(0, len(content), 5):
            changed = bytearray(content)
            changed[place] ^= 1 << place % 7
            pathlib.Path(self.path).write_bytes(changed)
            try:
                self.assertEqual(self.read(), expected, place)  # a byte that means nothing
            except ValueError as error:
                self.assertIn(self.path, str(error))
                refused += 1
        self.assertGreater(refused, 100)

    def test_equal_contents_are_equal_files(self):
        first = self.write()
        time.sleep(1.1)  # HDF5 would count in seconds
        self.assertEqual(self.write(), first)

    def test_refuses_texts_that_would_be_cut(self):
        with self.assertRaisesRegex(ValueError, "without zero characters. Received: 'b.x00c'"), \
                hdf5_files.writing(self.path) as writer:
            writer.write_texts("ids", ["a", "b\0c"])


class HeapTest(unittest.TestCase):
    """Strings of any length, as files of before and of others have them."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "a.h5")
        self.write()

    def write(self, libver="earliest", **options):
        with h5py.File(self.path, "w", libver=libver) as file:
            file.create_dataset("ids", data=["a", "bc"], dtype=h5py.string_dtype(), **options)
            file.attrs["config"] = "text"
        self.content = pathlib.Path(self.path).read_bytes()
        self.heap = self.content.index(b"GCOL")

    def read(self) -> tuple:
        with hdf5_files.reading(self.path, "a thing") as file:
            return list(file["ids"].asstr()[:]), file.attrs["config"]

    def change(self, place: int, content: bytes) -> None:
        changed = bytearray(self.content)
        changed[place:place + len(content)] = content
        pathlib.Path(self.path).write_bytes(changed)

    def test_are_read(self):
        self.assertEqual(self.read(), (["a", "bc"], "text"))

    def test_attributes_of_all_shapes_and_versions_are_found(self):
        for libver in ("earliest", "v108", "v110", "latest"):
            with h5py.File(self.path, "w", libver=libver) as file:
                file.attrs.update({"backend": b"tensorflow", "empty": "", "ü" * 9: "ö", "many": ["a"] * 200})
                file.attrs["none"] = h5py.Empty(h5py.string_dtype())
                group = file.create_group("group")
                group.attrs.update({"many": np.arange(3), **{f"a{number}": "x" for number in range(20)}})
                group.create_dataset("unwritten", (9,), h5py.string_dtype()).attrs["many"] = "text"
            with hdf5_files.reading(self.path, "a thing") as file:
                self.assertEqual((file.attrs["backend"], len(file.attrs["many"])), ("tensorflow", 200))

    def test_an_object_of_no_size_is_no_endless_loop(self):
        self.change(self.heap + 16, bytes(16))
        with self.assertRaisesRegex(ValueError, f"{self.path} must be a thing. .*storage is damaged"):
            self.read()

    def test_a_string_that_claims_gigabytes_is_refused_unread(self):
        for options in ({}, {"libver": "v110"}, {"chunks": (1,), "libver": "v110"}, {"chunks": (2,)}):
            self.write(**options)
            places = [reference.start() - 4 for reference in
                      re.finditer(re.escape(self.heap.to_bytes(8, "little")), self.content)]
            self.assertEqual(len(places), 3)  # of two ids and a configuration
            for place in places:
                for damage in (b"\xff\xff\xff\x7f", b"\xff\xff\xff\x7f\1\2\3\4\5\6\7\x08"):  # and of no heap
                    self.change(place, damage)
                    with self.assertRaisesRegex(ValueError, "of 2147483647 bytes, in a file of|checksum"):
                        self.read()

    def test_strings_that_cannot_be_looked_at_are_refused(self):
        self.write(compression="gzip")
        with self.assertRaisesRegex(ValueError, "Received: /ids, values of any length that are no str"):
            self.read()


class ReadingTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "a.h5")
        self.other = os.path.join(folder.name, "other")
        pathlib.Path(self.other).write_bytes(bytes(32))

    def assert_refused(self, message):
        with self.assertRaisesRegex(ValueError, f"^{self.path} must be a thing. {message}"), \
                hdf5_files.reading(self.path, "a thing") as file:
            file["x"][:]

    def test_refuses_values_in_other_files(self):
        with h5py.File(self.path, "w") as file:
            file.create_dataset("group/x", (8,), "float32", external=[(self.other, 0, 32)])
        self.assert_refused("Received: /group/x, whose values lie in other files")
        layout = h5py.VirtualLayout((8,), "float32")
        layout[:] = h5py.VirtualSource(self.other, "y", (8,))
        with h5py.File(self.path, "w") as file:
            file.create_virtual_dataset("x", layout)
        self.assert_refused("Received: /x, whose values lie in other files")

    def test_refuses_links(self):
        for link in (h5py.ExternalLink(self.other, "x"), h5py.SoftLink("/y")):
            with h5py.File(self.path, "w") as file:
                file["y"] = np.zeros(2)
                file["x"] = link
            self.assert_refused("Received: /x, a link")

    def test_refuses_what_asks_for_more_than_the_file_can_hold(self):
        with h5py.File(self.path, "w") as file:
            file.create_dataset("x", (2, 150_000_000), "float32", chunks=(1, 5_000_000), compression="gzip")
        self.assertLess(os.path.getsize(self.path), 10_000)
        self.assert_refused("Received: /x of 1200000000 bytes, in a file of few")

    def test_a_group_within_itself_is_looked_at_once(self):
        with h5py.File(self.path, "w") as file:
            file["x"] = np.arange(2)
            file["again"] = file["/"]
        with hdf5_files.reading(self.path, "a thing") as file:
            self.assertEqual(file["again/again/x"][1], 1)

    def test_what_is_no_hdf5_or_lacks_a_name_is_one_line(self):
        pathlib.Path(self.path).write_bytes(b"text")
        self.assert_refused("It cannot be read: ")
        with h5py.File(self.path, "w") as file:
            file["y"] = np.zeros(2)
        self.assert_refused("It cannot be read: .*x")

    def test_refuses_a_file_that_is_not_there(self):
        with self.assertRaisesRegex(FileNotFoundError, "must be a thing. Received: no such file"), \
                hdf5_files.reading(self.path, "a thing"):
            pass

    def test_a_full_disk_beside_the_file_is_not_its_fault(self):
        h5py.File(self.path, "w").close()
        with self.assertRaisesRegex(OSError, "^.Errno 28. No space left"), \
                hdf5_files.reading(self.path, "a thing"):
            raise OSError(28, "No space left on device")


if __name__ == "__main__":
    unittest.main()
