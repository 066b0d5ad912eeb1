"""A contact sheet shows every image whole, at its place, with its box."""

import os
import tempfile
import unittest

import cv2
import numpy as np

from data_prep.images import contact_sheet
from data_prep.images.contact_sheet import Cell, Row, Section

_YELLOW = (255, 213, 0)


class ContactSheetTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = os.path.join(directory.name, "sheet.png")

    def draw(self, *rows: Row) -> np.ndarray:
        """Pixels of a sheet of one section, uint8 [height, width, 3], RGB."""
        size = contact_sheet.draw(self.path, [Section("train", "", rows)])
        sheet = cv2.imread(self.path)[:, :, ::-1]
        self.assertEqual(sheet.shape, (size[1], size[0], 3))
        return sheet

    def extent(self, sheet: np.ndarray, color: tuple) -> tuple:
        """Height and width of what has a colour, nearly."""
        rows, columns = np.nonzero(np.abs(sheet.astype(int) - color).max(axis=2) < 12)
        return np.ptp(rows) + 1, np.ptp(columns) + 1

    def test_aspect_is_kept_and_cells_are_even(self):
        wide, high = np.zeros((50, 100, 3), np.uint8), np.zeros((300, 100, 3), np.uint8)
        wide[:], high[:] = (200, 0, 0), (0, 0, 200)
        sheet = self.draw(Row("", [Cell(wide, "wide"), Cell(high, "high")]))
        self.assertEqual(self.extent(sheet, (200, 0, 0)), (84, 168))
        self.assertEqual(self.extent(sheet, (0, 0, 200)), (168, 56))

    def test_a_box_is_drawn_where_it_is(self):
        image = np.zeros((200, 400, 3), np.uint8)
        sheet = self.draw(Row("", [Cell(image, "a", bbox=[100, 50, 300, 150])]))
        height, width = self.extent(sheet, _YELLOW)  # at 168 pixels for 400
        self.assertLess(abs(height - 42), 4)
        self.assertLess(abs(width - 84), 4)

    def test_frames_and_tags(self):
        image = np.zeros((100, 100, 3), np.uint8)
        plain = self.draw(Row("", [Cell(image, "a")]))
        framed = self.draw(Row("", [Cell(image, "a", frame="#ff0000")]))
        self.assertEqual(plain.shape, framed.shape)
        self.assertGreater(min(self.extent(framed, (255, 0, 0))), 167)
        image[:] = 255
        tagged = self.draw(Row("", [Cell(image, "a", tag="night")]))
        bare = self.draw(Row("", [Cell(image, "a")]))
        self.assertGreater(np.sum(tagged != bare), 200)

    def test_captions_of_any_text_fit_their_cell(self):
        text = "$x_{1}$ <b> \u00e9\u4e2d\n" + "w" * 500
        image = np.zeros((9, 9, 3), np.uint8)
        sheet = self.draw(Row(text, [Cell(image, text, text)] * 2, text))
        columns = np.flatnonzero((sheet < 128).all(axis=2).any(axis=0))
        self.assertGreaterEqual(columns[0], 24)
        self.assertLess(columns[-1], sheet.shape[1] - 24)

    def test_an_image_that_does_not_decode_has_its_cell(self):
        sheet = self.draw(Row("", [Cell(None, "broken")]))
        self.assertEqual(sheet.shape[1], 24 + 168 + 24)
        red = (sheet[:, :, 0].astype(int) - sheet[:, :, 1]) > 100
        self.assertGreater(red.sum(), 50)

    def test_refusals(self):
        with self.assertRaisesRegex(ValueError, "must have an image. Received: none"):
            contact_sheet.draw(self.path, [Section("train", "", [])])
        rows = [Row("", [Cell(None, "")])] * 400
        with self.assertRaisesRegex(ValueError, "at most 65000 pixels high and wide. Received: 216 x 8"):
            contact_sheet.draw(self.path, [Section("train", "", rows)])
        self.assertFalse(os.path.exists(self.path))


class ShortenTest(unittest.TestCase):
    def test_the_middle_goes(self):
        self.assertEqual(contact_sheet.shorten_middle("abcdefgh", 8), "abcdefgh")
        self.assertEqual(contact_sheet.shorten_middle("abcdefgh", 5), "ab\u2026gh")
        self.assertEqual(contact_sheet.shorten_middle("abcdefgh", 4), "ab\u2026h")
        self.assertEqual(contact_sheet.shorten_middle("abcdefgh", 1), "\u2026")


if __name__ == "__main__":
    unittest.main()
