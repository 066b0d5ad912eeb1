import unittest

import numpy as np

from delg.vectors.within_class import kernel_of, learn_whitening, within_class_whitening


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


class LearnWhiteningTest(unittest.TestCase):
    def test_turns_down_what_differs_within_classes(self):
        generator = np.random.default_rng(0)
        centres = generator.normal(size=(20, 6)) + 4
        vectors = np.repeat(centres, 10, axis=0) + generator.normal(scale=0.02, size=(200, 6))
        vectors[:, 2] += generator.normal(scale=1.0, size=200)  # the light, say
        directions, gains = learn_whitening(vectors, np.repeat(np.arange(20), 10), 0.5, 1)
        self.assertEqual((directions.shape, gains.shape), ((6, 1), (1,)))
        self.assertGreater(abs(directions[2, 0]), 0.9)
        self.assertLess(gains[0], 0.7)

    def test_the_kernel_multiplies_directions_and_leaves_the_others(self):
        directions = np.array([[0.6, 0.0], [0.8, 0.0], [0.0, 1.0]])
        kernel = kernel_of(directions, np.array([0.5, 2.0]))
        np.testing.assert_allclose(np.array([0.6, 0.8, 0]) @ kernel, [0.3, 0.4, 0], atol=1e-12)
        np.testing.assert_allclose(np.array([0, 0, 3.0]) @ kernel, [0, 0, 6], atol=1e-12)
        np.testing.assert_allclose(np.array([-0.8, 0.6, 0]) @ kernel, [-0.8, 0.6, 0], atol=1e-12)
