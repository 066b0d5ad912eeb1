"""Pictures as the page shows them."""

import pathlib
import tempfile
import unittest
from unittest import mock

from data_prep.images import intake
from delg.serving import pictures
from tests.fixtures.tiny_extraction import as_png
from tests.fixtures.walls import wall


class PicturesTest(unittest.TestCase):
    def test_small_ones_are_kept_until_the_file_changes_and_large_ones_are_not(self):
        with tempfile.TemporaryDirectory() as folder, \
                mock.patch.object(intake, "read_picture", side_effect=intake.read_picture) as read:
            path = pathlib.Path(folder) / "a.png"
            path.write_bytes(as_png(wall(0)))
            first = pictures.picture_of(str(path), 320)
            self.assertEqual(pictures.picture_of(str(path), 320), first)
            self.assertEqual(read.call_count, 1)
            path.write_bytes(as_png(wall(1)))
            self.assertNotEqual(pictures.picture_of(str(path), 320), first)
            for _ in range(2):
                pictures.picture_of(str(path), 2048)
            self.assertEqual(read.call_count, 4)


if __name__ == "__main__":
    unittest.main()
