"""delg.search.rerankers.dba: against a slow loop, and among duplicates."""

import unittest

import numpy as np

from delg.search.rerankers import dba
from tests.fixtures.planar_world import unit


class AugmentDescriptorsTest(unittest.TestCase):
    def test_agrees_with_a_slow_loop(self):
        descriptors = unit(np.random.default_rng(1).normal(size=(20, 4)))
        expected = []
        for row in range(20):
            others = sorted((other for other in range(20) if other != row),
                            key=lambda other: -float(descriptors[row] @ descriptors[other]))[:5]
            total = descriptors[row].astype(np.float64)
            for other in others:
                total = total + max(float(descriptors[row] @ descriptors[other]), 0) ** 2 * descriptors[other]
            expected.append(total / np.linalg.norm(total))
        np.testing.assert_allclose(dba.augment_descriptors(descriptors, 5, 2.0), expected, atol=1e-6)

    def test_among_duplicates_no_image_is_its_own_neighbour(self):
        descriptors = np.array([[1, 0], [1, 0], [1, 0], [0.6, 0.8]], np.float32)
        augmented = dba.augment_descriptors(descriptors, 1, 1.0)
        np.testing.assert_allclose(augmented[:3], descriptors[:3], atol=1e-7)
        np.testing.assert_allclose(augmented[3], unit(np.array([0.6 + 0.6, 0.8])), rtol=1e-6)


if __name__ == "__main__":
    unittest.main()
