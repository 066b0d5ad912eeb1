import unittest

import numpy as np

from delg.vectors.generalized_mean import generalized_mean


class GeneralizedMeanTest(unittest.TestCase):
    def test_by_hand(self):  # the least is -1: squares of 0 and 4, of 2 and 1
        vectors = np.float32([[-1, 1], [3, 0]])
        np.testing.assert_allclose(generalized_mean(vectors, 2.0), [8 ** 0.5 - 1, 2.5 ** 0.5 - 1], rtol=1e-6)
        np.testing.assert_allclose(generalized_mean(vectors, 1.0), [1, 0.5])
        np.testing.assert_array_equal(generalized_mean(vectors, np.inf), [3, 1])

    def test_large_powers_come_near_the_maximum_and_keep_the_type(self):
        vectors = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
        found = generalized_mean(vectors, 200.0)
        np.testing.assert_allclose(found, vectors.max(axis=0), atol=0.05)
        self.assertEqual(found.dtype, np.float32)

    def test_equal_vectors_stay_as_they_are(self):
        vectors = np.full((3, 4), 0.5, np.float32)
        np.testing.assert_allclose(generalized_mean(vectors, 10.0), vectors[0])
