"""delg.features.local_codes: values by hand, and how far each type turns a descriptor."""

import unittest

import numpy as np

from delg.features import local_codes
from delg.settings.extraction import LOCAL_DTYPES


class LocalCodesTest(unittest.TestCase):
    def test_int8_by_hand(self):
        stored = local_codes.encode(np.array([[0.6, -0.8, 0.0], [0.0, 0.0, 1.0]]), "int8")
        self.assertEqual(stored.dtype, np.int8)
        np.testing.assert_array_equal(stored, [[95, -127, 0], [0, 0, 127]])  # 127 * 0.6 / 0.8 = 95.25
        np.testing.assert_allclose(local_codes.decode(stored, 3)[0],
                                   np.array([95, -127, 0]) / np.sqrt(95**2 + 127**2), rtol=1e-6)

    def test_bits_by_hand(self):
        signs = np.array([[1, -1, -1, 1, 1, 1, -1, -1, 1, -1]])
        stored = local_codes.encode(0.3 * signs, "binary")
        np.testing.assert_array_equal(stored, [[0b10011100, 0b10000000]])
        self.assertEqual(local_codes.num_columns(10, stored.dtype), 2)
        np.testing.assert_allclose(local_codes.decode(stored, 10), signs / np.sqrt(10), rtol=1e-6)

    def test_cosine_of_bits_tells_their_hamming_distance(self):
        vectors = np.random.default_rng(0).normal(size=(2, 12))
        distance = np.count_nonzero((vectors[0] > 0) != (vectors[1] > 0))
        first, second = local_codes.decode(local_codes.encode(vectors, "binary"), 12)
        self.assertAlmostEqual(float(first @ second), 1 - 2 * distance / 12, places=6)

    def test_finer_types_keep_a_descriptor_closer(self):
        vectors = np.random.default_rng(0).normal(size=(50, 128))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        angles = []
        for local_dtype in LOCAL_DTYPES:
            stored = local_codes.encode(vectors, local_dtype)
            self.assertEqual(stored.dtype, local_codes.stored_dtype(local_dtype))
            self.assertEqual(stored.shape, (50, local_codes.num_columns(128, stored.dtype)))
            decoded = local_codes.decode(stored, 128)
            self.assertEqual(decoded.dtype, np.float32)
            np.testing.assert_allclose(np.linalg.norm(decoded, axis=1), 1, rtol=1e-6)
            angles.append(np.linalg.norm(decoded - vectors, axis=1).max())
        self.assertEqual(angles, sorted(angles))
        self.assertLess(angles[LOCAL_DTYPES.index("int8")], 0.02)

    def test_a_descriptor_of_zeros_and_none_at_all(self):
        np.testing.assert_array_equal(local_codes.encode(np.zeros((1, 3)), "int8"), [[0, 0, 0]])
        np.testing.assert_array_equal(local_codes.decode(np.zeros((1, 3), np.int8), 3), [[0, 0, 0]])
        for local_dtype in LOCAL_DTYPES:
            stored = local_codes.encode(np.zeros((0, 10), np.float32), local_dtype)
            self.assertEqual(local_codes.decode(stored, 10).shape, (0, 10))

    def test_refuses_another_type(self):
        with self.assertRaisesRegex(ValueError, "float32, float16, int8, binary. Received: .*='float64'"):
            local_codes.encode(np.zeros((1, 3)), "float64")


if __name__ == "__main__":
    unittest.main()
