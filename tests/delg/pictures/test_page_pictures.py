"""delg.pictures.page_pictures: inside the page while small, in a folder beside it otherwise."""

import base64
import os
import tempfile
import unittest

import numpy as np

from delg.pictures import drawing
from delg.pictures.page_pictures import PagePictures


class PagePicturesTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.path = os.path.join(folder.name, "a page.html")
        self.pictures = [np.full((8, 8, 3), value, np.uint8) for value in (0, 100, 200)]

    def test_few_are_inside(self):
        pictures = PagePictures(self.path)
        name = pictures.add(self.pictures[1])
        encoded = base64.b64decode(pictures.source(name).removeprefix("data:image/jpeg;base64,"))
        self.assertEqual(encoded, drawing.encode_jpeg(self.pictures[1]))
        pictures.remove_others()
        self.assertEqual(os.listdir(self.folder), [])

    def test_many_are_beside_it_each_once(self):
        pictures = PagePictures(self.path, max_inside=1)
        names = [pictures.add(picture) for picture in self.pictures + self.pictures]
        self.assertEqual(names[:3], names[3:])
        self.assertEqual(pictures.source(names[0]), f"a%20page_pictures/{names[0]}")
        self.assertCountEqual(os.listdir(os.path.join(self.folder, "a page_pictures")), names[:3])

    def test_those_of_an_earlier_page_go_last_and_no_other_file_does(self):
        earlier = PagePictures(self.path, max_inside=1)
        old = earlier.add(self.pictures[0])
        beside = os.path.join(self.folder, "a page_pictures")
        with open(os.path.join(beside, "mine.jpg"), "wb"):
            pass
        pictures = PagePictures(self.path, max_inside=1)
        new = pictures.add(self.pictures[1])
        self.assertCountEqual(os.listdir(beside), ["mine.jpg", old, new])
        pictures.remove_others()
        self.assertCountEqual(os.listdir(beside), ["mine.jpg", new])
        small = PagePictures(self.path)
        small.add(self.pictures[1])
        small.remove_others()
        self.assertEqual(os.listdir(beside), ["mine.jpg"])


if __name__ == "__main__":
    unittest.main()
