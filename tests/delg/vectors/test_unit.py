"""delg.vectors.unit: vectors of norm 1, by hand."""

import unittest

import numpy as np

from delg.vectors import unit


class UnitVectorsTest(unittest.TestCase):
    def test_by_hand(self):
        vectors = np.array([[[3, 4], [0, 0]]], np.float32)
        scaled = unit.unit_vectors(vectors)
        np.testing.assert_allclose(scaled, [[[0.6, 0.8], [0, 0]]], rtol=1e-6)
        self.assertEqual(scaled.dtype, np.float32)
        np.testing.assert_allclose(unit.unit_vectors(np.array([3.0, 4.0])), [0.6, 0.8])


class FiniteUnitVectorsTest(unittest.TestCase):
    def test_scales_what_needs_it_only(self):
        vectors = np.array([[3, 4], [0.6, 0.8]], np.float32)
        scaled = unit.finite_unit_vectors(vectors, "v")
        np.testing.assert_allclose(scaled, [[0.6, 0.8], [0.6, 0.8]], rtol=1e-6)
        np.testing.assert_array_equal(scaled[1], vectors[1])
        self.assertEqual(vectors[0, 0], 3)

    def test_refuses_zero_and_nan(self):
        for value in (0, np.nan, np.inf):
            with self.assertRaisesRegex(ValueError, "These must be finite and not zero.*norm .*row 1"):
                unit.finite_unit_vectors(np.array([[1, 0], [value, 0]], np.float32), "These")


if __name__ == "__main__":
    unittest.main()
