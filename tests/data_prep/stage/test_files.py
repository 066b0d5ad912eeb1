"""A file under its final name is whole, or not there."""

import os
import tempfile
import unittest

from data_prep.stage import files


class ReplacingTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder, self.path = folder.name, os.path.join(folder.name, "file.txt")

    def write(self, text: str, error: BaseException = None):
        with files.replacing(self.path) as temporary, open(temporary, "w") as file:
            file.write(text)
            if error:
                raise error

    def test_appears_whole(self):
        self.write("old")
        self.write("new")
        with open(self.path) as file:
            self.assertEqual(file.read(), "new")
        self.assertEqual(os.listdir(self.folder), ["file.txt"])

    def test_a_folder_appears_whole_or_not_at_all(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "deep", "export")
            with self.assertRaises(KeyboardInterrupt), files.replacing_folder(path) as temporary:
                os.makedirs(temporary)
                raise KeyboardInterrupt
            self.assertEqual(os.listdir(os.path.dirname(path)), [])
            with files.replacing_folder(path) as temporary:
                os.makedirs(temporary)
                self.assertFalse(os.path.exists(path))
            self.assertEqual(os.listdir(os.path.dirname(path)), ["export"])

    def test_an_interrupt_changes_nothing(self):
        self.write("old")
        with self.assertRaises(KeyboardInterrupt):
            self.write("half", KeyboardInterrupt())
        with open(self.path) as file:
            self.assertEqual(file.read(), "old")
        self.assertEqual(os.listdir(self.folder), ["file.txt"])


if __name__ == "__main__":
    unittest.main()
