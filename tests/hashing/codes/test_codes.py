import unittest

import numpy as np

from hashing.codes import codes


class CodesTest(unittest.TestCase):
    def test_zero_is_a_one(self):
        np.testing.assert_array_equal(codes.binarize(np.array([[-0.1, 0.0, -0.0, 0.3]])), [[0, 1, 1, 1]])

    def test_refuses_what_has_no_sign(self):
        with self.assertRaisesRegex(ValueError, "must be finite to be made into bits. Received: nan or inf."):
            codes.binarize(np.array([[np.nan]]))

    def test_bytes_by_hand_and_back(self):
        bits = np.array([[1, 0, 0, 0, 0, 0, 0, 1, 1, 1]], np.uint8)
        packed = codes.pack(bits)
        np.testing.assert_array_equal(packed, [[0x81, 0xC0]])
        np.testing.assert_array_equal(codes.unpack(packed, 10), bits)

    def test_the_first_bits_leave_zeros_behind_them(self):
        packed = np.array([[0xFF, 0xFF, 0xFF], [0x12, 0x34, 0x56]], np.uint8)
        np.testing.assert_array_equal(codes.cut(packed, 12), [[0xFF, 0xF0], [0x12, 0x30]])
        np.testing.assert_array_equal(codes.cut(packed, 8), [[0xFF], [0x12]])
        np.testing.assert_array_equal(codes.cut(packed, 24), packed)

    def test_refuses_bytes_of_another_code_size(self):
        with self.assertRaisesRegex(ValueError, r"32 bits must have 4 bytes each. Received: shape \(3, 2\)"):
            codes.unpack(np.zeros((3, 2), np.uint8), 32)

    def test_distances_equal_a_slow_count(self):
        generator = np.random.default_rng(0)
        queries, index = generator.integers(0, 2, (5, 24)), generator.integers(0, 2, (7, 24))
        expected = [[sum(a != b for a, b in zip(query, code)) for code in index] for query in queries]
        np.testing.assert_array_equal(
            codes.hamming_distances(queries.astype(np.uint8), index.astype(np.uint8)), expected)

    def test_refuses_codes_of_two_sizes(self):
        with self.assertRaisesRegex(ValueError, "one size. Received: 8 and 16 bits."):
            codes.hamming_distances(np.zeros((1, 8), np.uint8), np.zeros((1, 16), np.uint8))

    def test_entropy_of_half_a_quarter_and_none(self):  # H(1/4) = 2 - 3/4 log2 3
        bits = np.array([[1, 1, 1], [1, 0, 1], [0, 0, 1], [0, 0, 1]], np.uint8)
        np.testing.assert_allclose(codes.bit_entropies(bits), [1, 2 - 0.75 * np.log2(3), 0])

    def test_correlation_of_copies_and_of_independent_bits(self):
        independent = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.uint8)
        self.assertAlmostEqual(codes.bit_correlation(independent), 0)
        self.assertAlmostEqual(codes.bit_correlation(1 - independent[:, [0, 0]]), 1)
        self.assertEqual(codes.bit_correlation(np.ones((4, 3), np.uint8)), 0)

    def test_two_of_three_images_share_a_code(self):
        self.assertAlmostEqual(codes.collision_rate(np.array([[1], [2], [1]], np.uint8)), 2 / 3)


if __name__ == "__main__":
    unittest.main()
