"""Points find their way back into the file, for every orientation."""

import unittest

import numpy as np

from data_prep.images import orientation


class OrientationTest(unittest.TestCase):
    def test_every_pixel_finds_its_place_in_the_file(self):
        stored = np.arange(3 * 5).reshape(3, 5)
        for number in range(1, 9):
            upright = orientation.turned_upright(stored, number)
            self.assertEqual(orientation.stored_size(number, upright.shape), stored.shape)
            back = orientation.to_stored(number, upright.shape)
            for (y, x), value in np.ndenumerate(upright):
                stored_x, stored_y, one = back @ (x, y, 1)
                self.assertEqual((stored[int(stored_y), int(stored_x)], one), (value, 1), number)

    def test_by_hand(self):  # 6: a phone held upright; what the camera saw on the left is at the top
        upright = orientation.turned_upright(np.array([[1, 2], [3, 4]]), 6)
        np.testing.assert_array_equal(upright, [[3, 1], [4, 2]])
        np.testing.assert_array_equal(orientation.to_stored(6, (128, 96)) @ (95, 0, 1), (0, 0, 1))


if __name__ == "__main__":
    unittest.main()
