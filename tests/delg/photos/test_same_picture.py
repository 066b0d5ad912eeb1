"""delg.photos.same_picture: files of one picture, and pictures that are nearly it."""

import pathlib
import tempfile
import unittest

import cv2
import numpy as np

from delg.photos.same_picture import are_one_picture


class ArePictureTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        detail = np.random.default_rng(0).integers(0, 255, (12, 16, 3), np.uint8)
        self.picture = cv2.resize(detail, (320, 240), interpolation=cv2.INTER_CUBIC)
        self.write("as.png", self.picture)

    def write(self, name, pixels, *settings):
        cv2.imwrite(str(self.folder / name), pixels, *settings)

    def is_one(self, name):
        return are_one_picture(str(self.folder / "as.png"), str(self.folder / name))

    def test_another_size_or_encoding_is_one_picture(self):
        self.write("encoded.jpg", self.picture, [cv2.IMWRITE_JPEG_QUALITY, 70])
        self.write("smaller.png", cv2.resize(self.picture, (192, 144), interpolation=cv2.INTER_AREA))
        self.assertTrue(self.is_one("encoded.jpg"))
        self.assertTrue(self.is_one("smaller.png"))

    def test_a_cut_and_a_plain_picture_are_others(self):
        self.write("cut.png", self.picture[:, 16:])
        self.write("grey.png", np.full((240, 320, 3), 128, np.uint8))
        self.assertFalse(self.is_one("cut.png"))
        self.assertFalse(self.is_one("grey.png"))


if __name__ == "__main__":
    unittest.main()
