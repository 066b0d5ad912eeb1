"""delg.vectors.sign_bits: bits in bytes and back, by hand."""

import unittest

import numpy as np

from delg.vectors import sign_bits


class SignBitsTest(unittest.TestCase):
    def test_the_first_bit_is_the_highest(self):
        bits = np.array([[1, 0, 0, 0, 0, 0, 0, 1, 1, 0], [0, 0, 0, 0, 0, 0, 1, 0, 0, 1]])
        packed = sign_bits.pack(bits)
        np.testing.assert_array_equal(packed, [[0b10000001, 0b10000000], [0b00000010, 0b01000000]])
        self.assertEqual(packed.dtype, np.uint8)
        np.testing.assert_array_equal(sign_bits.unpack(packed, 10), bits)
        np.testing.assert_array_equal(sign_bits.pack(bits > 0), packed)

    def test_rows_are_filled_up_with_zeros(self):
        np.testing.assert_array_equal(sign_bits.pack(np.ones((1, 9), np.uint8), 4), [[255, 128, 0, 0]])
        self.assertEqual(sign_bits.pack(np.ones((0, 65), bool), 8).shape, (0, 16))
        self.assertEqual([sign_bits.num_bytes(count, 8) for count in (1, 64, 65)], [8, 8, 16])

    def test_signs(self):
        signs = sign_bits.signs(np.array([0, 1], np.uint8))
        np.testing.assert_array_equal(signs, np.array([-1, 1], np.float32))
        self.assertEqual(signs.dtype, np.float32)


if __name__ == "__main__":
    unittest.main()
