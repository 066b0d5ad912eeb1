import unittest

import numpy as np

from delg.vectors import principal_components

_VECTORS = np.array([[5.0, 1.0], [5.0, -1.0], [9.0, 0.0], [1.0, 0.0]])  # mean (5, 0); variances 32/3 and 2/3


class PrincipalComponentsTest(unittest.TestCase):
    def test_by_hand(self):
        mean, directions, variances = principal_components.principal_components(_VECTORS, 2)
        np.testing.assert_allclose(mean, [5, 0])
        np.testing.assert_allclose(directions, np.eye(2), atol=1e-12)
        np.testing.assert_allclose(variances, [32 / 3, 2 / 3])

    def test_refuses_more_components_than_channels(self):
        with self.assertRaisesRegex(ValueError, "4 vectors of 2 channels, 3 components"):
            principal_components.principal_components(_VECTORS, 3)

    def test_directions_are_those_of_largest_variance(self):
        generator = np.random.default_rng(0)
        sample = generator.normal(size=(5000, 4)) * [0.1, 3, 1, 0.2] + 5
        directions = principal_components.principal_directions(sample.astype(np.float32), 2)
        np.testing.assert_allclose(np.abs(directions), [[0, 0], [1, 0], [0, 1], [0, 0]], atol=0.05)
        np.testing.assert_array_equal(principal_components.principal_directions(sample, 0), np.eye(4))


class WhiteningWeightsTest(unittest.TestCase):
    def test_exponent_one_equalises_deviations(self):
        kernel, bias = principal_components.whitening_weights(_VECTORS, 2, exponent=1.0, shrinkage=0.0)
        output = _VECTORS @ kernel + bias
        np.testing.assert_allclose(output.mean(axis=0), [0, 0], atol=1e-6)
        np.testing.assert_allclose(output.var(axis=0, ddof=1), [34 / 6, 34 / 6], rtol=1e-5)

    def test_exponent_zero_keeps_distances(self):
        kernel, bias = principal_components.whitening_weights(_VECTORS, 2, exponent=0.0)
        output = _VECTORS @ kernel + bias
        np.testing.assert_allclose(np.linalg.norm(output[2] - output[0]), np.sqrt(17), rtol=1e-6)

    def test_full_shrinkage_only_rotates(self):
        rotated, _ = principal_components.whitening_weights(_VECTORS, 2, exponent=0.0)
        shrunk, _ = principal_components.whitening_weights(_VECTORS, 2, exponent=1.0, shrinkage=1.0)
        np.testing.assert_allclose(shrunk, rotated, rtol=1e-6)


if __name__ == "__main__":
    unittest.main()
