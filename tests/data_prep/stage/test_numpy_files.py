"""NumPy's files that claim more than they hold, or are damaged."""

import io
import os
import tempfile
import unittest
import zipfile

import numpy as np

from data_prep.stage import numpy_files


def npy(array: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


class NpyTest(unittest.TestCase):
    def test_comes_back_as_it_was(self):
        for array in (np.arange(6).reshape(2, 3), np.asfortranarray(np.ones((2, 3), np.float32)),
                      np.zeros((0, 4)), np.array("text"), np.array(["a", "bc"])):
            found = numpy_files.read_npy(npy(array))
            np.testing.assert_array_equal(found, array)
            self.assertEqual((found.dtype, found.shape), (array.dtype, array.shape))

    def test_refuses_what_it_has_no_bytes_for(self):
        content = npy(np.zeros((1000, 2)))
        with self.assertRaisesRegex(ValueError, r"an array of float64 \(9999, 2\) in 16000 bytes"):
            numpy_files.read_npy(content.replace(b"(1000, 2)", b"(9999, 2)"))

    def test_refuses_objects_and_other_versions(self):
        with self.assertRaisesRegex(ValueError, "an array of object"):
            numpy_files.read_npy(npy(np.array([{}], object)))
        with self.assertRaisesRegex(ValueError, r"version \(7, 0\)"):
            numpy_files.read_npy(b"\x93NUMPY\x07\x00" + npy(np.zeros(2))[8:])


class NpzTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "a.npz")

    def read(self) -> dict:
        with numpy_files.reading_npz(self.path, "a thing (.npz)") as file:
            return {name: (file.shape(name), file.read(name).tolist()) for name in file.names}

    def test_comes_back_as_it_was(self):
        for save in (np.savez, np.savez_compressed):
            save(self.path, a=np.arange(3), b=np.array("text"))
            self.assertEqual(self.read(), {"a": ((3,), [0, 1, 2]), "b": ((), "text")})

    def test_no_changed_content_comes_back(self):
        np.savez(self.path, a=np.arange(30), b=np.array("text"))
        expected = self.read()
        with open(self.path, "rb") as file:
            content = file.read()
        for place in range(len(content)):
            with open(self.path, "wb") as file:
                file.write(content[:place] + bytes([content[place] ^ 1]) + content[place + 1:])
            try:
                found = self.read()
                for array in found.values():  # its name may be another, or it may be lacking
                    self.assertIn(array, expected.values())
            except ValueError as error:
                self.assertIn(f"{self.path} must be a thing (.npz). Received: ", str(error))

    def test_refuses_a_member_that_grows_without_measure(self):
        with zipfile.ZipFile(self.path, "w", zipfile.ZIP_BZIP2) as file:
            file.writestr("a.npy", npy(np.zeros(10_000_000, np.uint8)))
        with self.assertRaisesRegex(ValueError, "a of 10000128 bytes in a file of"):
            self.read()

    def test_refuses_what_is_missing(self):
        with self.assertRaises(FileNotFoundError):
            self.read()


if __name__ == "__main__":
    unittest.main()
