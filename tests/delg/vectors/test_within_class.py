import unittest

import numpy as np

from delg.vectors.within_class import within_class_whitening


class WithinClassWhiteningTest(unittest.TestCase):
    def test_by_hand(self):
        # Unit vectors (1, 0), (0.6, 0.8) and (0.6, -0.8), (1, 0) differ by (0.4, -0.8) and (-0.4, -0.8), half
        # of it from their means: covariance diag(0.04, 0.16) of both, scaled to mean 1: diag(0.4, 1.6). Half
        # of the identity: diag(0.7, 1.3). A vector alone and another length change nothing.
        vectors = [[3, 0], [0.6, 0.8], [0.6, -0.8], [1, 0], [0, 7]]
        found = within_class_whitening(np.array(vectors), np.array([5, 5, 2, 2, 3]), shrinkage=0.5)
        np.testing.assert_allclose(found, np.diag([0.7 ** -0.5, 1.3 ** -0.5]), atol=1e-12)

    def test_classes_count_alike(self):
        vectors, labels = np.random.default_rng(0).normal(size=(6, 3)), np.array([0, 0, 1, 1, 1, 1])
        more = np.repeat(vectors, [1, 1, 9, 9, 9, 9], axis=0), np.repeat(labels, [1, 1, 9, 9, 9, 9])
        np.testing.assert_allclose(within_class_whitening(*more, 0.5),
                                   within_class_whitening(vectors, labels, 0.5), atol=1e-12)

    def test_whole_shrinkage_is_the_identity(self):
        vectors = np.random.default_rng(0).normal(size=(4, 3))
        np.testing.assert_allclose(within_class_whitening(vectors, np.zeros(4), 1.0), np.eye(3), atol=1e-12)

    def test_refuses_classes_of_one(self):
        with self.assertRaisesRegex(ValueError, "two images that differ. Received: 2 images of 2 classes"):
            within_class_whitening(np.eye(2), np.array([0, 1]), 0.5)
