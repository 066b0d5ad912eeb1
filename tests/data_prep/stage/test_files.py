"""A file under its final name is whole, or not there."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

from data_prep.stage import files
from tests.fixtures.temporary_files import FilesTest


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

    def test_makes_the_folder_around_it(self):
        self.path = os.path.join(self.folder, "new", "deep", "file.txt")
        self.write("new")
        self.assertEqual(os.listdir(os.path.dirname(self.path)), ["file.txt"])

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

    def test_a_full_disk_is_named_in_whatever_words_a_library_says_it(self):
        for error in (OSError(28, "No space left on device"), OSError("8 requested and 3 written"),
                      RuntimeError("write failed: errno = 28, error message = 'No space left on device'")):
            words = "No space" in str(error)
            with self.subTest(error), mock.patch.object(
                    files, "check_not_full", side_effect=None if words else OSError(28, "full")), \
                    self.assertRaisesRegex(OSError, f"^.Errno 28. No space left on device: '{self.path}'$"):
                self.write("half", error)
            self.assertEqual(os.listdir(self.folder), [])

    def test_another_error_stays_as_it_is(self):
        for error in (KeyError("mine"), OSError(2, "No such file"), ValueError("`a` must be 1.")):
            with self.assertRaises(type(error)) as caught:
                self.write("half", error)
            self.assertIs(caught.exception, error)


class ClearTest(unittest.TestCase):
    def test_what_a_killed_process_left_is_cleared_once_nobody_writes(self):
        with tempfile.TemporaryDirectory() as folder:
            left = [".file.txt.99.tmp", ".last.weights.h5.0a1b2c3d.tmp", ".export.0a1b2c3d.tmp"]
            kept = [".file.txt", "file.99.tmp", ".download.tar.part"]
            for name in [*left[:2], *kept]:
                pathlib.Path(folder, name).touch()
            os.makedirs(os.path.join(folder, left[2], "variables"))
            writer = subprocess.Popen([sys.executable, "-c", _WRITER, os.path.join(folder, "other")],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            with writer:  # it clears, too, before it writes
                its_own = writer.stdout.readline().strip()
                self.assertEqual(sorted(os.listdir(folder)), sorted([*kept, its_own]))
                pathlib.Path(folder, left[0]).touch()
                with files.replacing(os.path.join(folder, "mine")) as temporary:
                    pathlib.Path(temporary).touch()
                self.assertEqual(sorted(os.listdir(folder)), sorted([*kept, its_own, left[0], "mine"]))
                writer.kill()
            files.clear_temporaries(folder)
            self.assertEqual(sorted(os.listdir(folder)), sorted([*kept, "mine"]))


_WRITER = """
import os, sys
from data_prep.stage import files
with files.replacing(sys.argv[1]) as temporary:
    open(temporary, "w").close()
    print(os.path.basename(temporary), flush=True)
    sys.stdin.read()
"""


class MatchingTest(FilesTest):
    def test_a_folder_with_brackets_is_meant_as_written(self):
        paths = [self.write(f"set [1]/{name}") for name in ("a-[0].h5", "a-0.h5", "b.h5")]
        self.write("set 1/a-0.h5")
        folder = self.path("set [1]")
        for pattern, found in ((folder, sorted(paths)), (f"{folder}/a-?.h5", paths[1:2]),
                               (paths[0], paths[:1]), (f"{folder}/c*", []),
                               (self.path("set [0-9]/*"), [self.path("set 1/a-0.h5")]),
                               (self.path("*/b.h5"), paths[2:])):
            with self.subTest(pattern):
                self.assertEqual(files.matching(pattern, "*.h5"), found)


class CheckedJsonTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "a.json")

    def test_comes_back_as_it_was(self):
        value = {"b": [1, 2.5, None, "Zürich \udcff"], "a": {"x": {"z": 1, "y": 1e-9}}}
        files.write_checked_json(self.path, {**value, "pair": (1, 2)})
        self.assertEqual(files.read_checked_json(self.path), {**value, "pair": [1, 2]})

    def test_no_byte_changes_unnoticed(self):
        value = {"labels": ["a", "b"], "seed": 1234}
        files.write_checked_json(self.path, value)
        content = pathlib.Path(self.path).read_bytes()
        for place in range(len(content)):
            changed = bytearray(content)
            changed[place] ^= 1
            pathlib.Path(self.path).write_bytes(changed)
            try:  # blanks may change, and the digest's name, after which there is none
                found = files.read_checked_json(self.path)
                self.assertEqual({name: found[name] for name in value}, value)
            except ValueError as error:
                self.assertIn(self.path, str(error))

    def test_takes_what_has_no_digest(self):
        files.write_json(self.path, {"seed": 1})
        self.assertEqual(files.read_checked_json(self.path), {"seed": 1})

    def test_refuses_what_was_changed(self):
        files.write_json(self.path, {"seed": 1, "sha256": files.json_digest({"seed": 2})})
        with self.assertRaisesRegex(ValueError, f"{self.path} must be as it was written.*takes out `sha256`"):
            files.read_checked_json(self.path)
        files.write_json(self.path, [1])
        with self.assertRaisesRegex(ValueError, f"{self.path} must be a JSON object. Received: list"):
            files.read_checked_json(self.path)


if __name__ == "__main__":
    unittest.main()
