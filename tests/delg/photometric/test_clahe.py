import unittest

import cv2
import numpy as np

from delg.photometric.clahe import equalised


def _lab(image):
    return cv2.cvtColor(image, cv2.COLOR_RGB2LAB).astype(int)


class ClaheTest(unittest.TestCase):
    def test_a_dark_square_is_lighter_by_hand(self):
        # Tiles of 8 x 8 pixels: the histogram's mean height is 64 / 256, its one bin, of lightness 19, is cut
        # off at 1. The other 63 pixels go to bins 0, 4, ..., 248; up to 19 that is 5 + 1, 6/64 of 255 is 24.
        square = np.full((64, 64, 3), 23, np.uint8)
        self.assertEqual(_lab(square)[0, 0].tolist(), [19, 128, 128])
        np.testing.assert_array_equal(_lab(equalised(square)), np.broadcast_to([24, 128, 128], (64, 64, 3)))

    def test_spreads_the_lightness_of_a_dark_picture_and_keeps_its_hue(self):
        picture = cv2.resize(np.random.default_rng(0).integers(0, 255, (6, 6, 3), dtype=np.uint8), (96, 96))
        dark = (picture * 0.2).astype(np.uint8)
        before, light = _lab(dark), _lab(equalised(dark))
        self.assertGreater(light[..., 0].std(), 1.5 * before[..., 0].std())
        self.assertLess(np.abs(light[..., 1:] - before[..., 1:]).mean(), 3)


if __name__ == "__main__":
    unittest.main()
