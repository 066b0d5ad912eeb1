"""delg.index.asmk: residuals, codes and selectivity against slow loops and by hand."""

import unittest

import faiss
import numpy as np

from delg.index.asmk import quantizer
from delg.index.asmk.binarized import SignKernel
from delg.index.asmk.kernel import selectivity
from tests.fixtures.slow_asmk import residuals_of


class AsmkTest(unittest.TestCase):
    def setUp(self):
        self.addCleanup(faiss.omp_set_num_threads, faiss.omp_get_max_threads())
        faiss.omp_set_num_threads(1)  # so little work takes longer on several
        self.generator = np.random.default_rng(0)
        self.codebook = self.generator.normal(size=(7, 12)).astype(np.float32)
        self.descriptors = self.generator.normal(size=(30, 12)).astype(np.float32)

    def test_residuals_of_one_and_several_codewords(self):
        for num_assignments in (1, 3, 99):
            words, residuals = quantizer.aggregate(self.descriptors, self.codebook, num_assignments)
            expected = residuals_of(self.descriptors, self.codebook, num_assignments)
            self.assertEqual(words.tolist(), sorted(expected))
            np.testing.assert_allclose(residuals, [expected[word] for word in words], atol=1e-5)

    def test_by_hand(self):  # (1, 0) + (3, 2) - 2 * (1, 1) = (2, 0); the codeword of (9, 9) is its place
        words, residuals = quantizer.aggregate(np.array([[9, 9], [1, 0], [3, 2]]),
                                               np.array([[1, 1], [9, 9]], np.float32))
        np.testing.assert_array_equal(words, [0])
        np.testing.assert_allclose(residuals, [[1, 0]], atol=1e-6)

    def test_image_without_features(self):
        for nothing in (np.zeros((0, 12), np.float32), np.zeros((0, 0), np.float32)):
            words, residuals = quantizer.aggregate(nothing, self.codebook)
            self.assertEqual((words.shape, residuals.shape), ((0,), (0, 12)))
            self.assertEqual(SignKernel(3, 0, 12).encode(residuals).shape, (0, 8))

    def test_selectivity_by_hand(self):
        products = np.array([-1, -0.5, 0, 0.1, 0.5, 1], np.float32)
        for alpha, threshold, expected in ((3, 0, [0, 0, 0, 0.001, 0.125, 1]),
                                           (3, 0.1, [0, 0, 0, 0, 0.125, 1]),
                                           (2, -0.7, [0, -0.25, 0, 0.01, 0.25, 1])):
            found = selectivity(products, alpha, threshold)
            np.testing.assert_allclose(found, expected, atol=1e-7)

    def test_codes_are_compared_by_their_signs(self):
        for dimension in (12, 64, 130):
            queries, entries = (self.generator.normal(size=(count, dimension)) for count in (3, 5))
            products = np.sign(queries) @ np.sign(entries).T / dimension
            kernel = SignKernel(3, 0.05, dimension)
            np.testing.assert_allclose(
                kernel(kernel.encode(queries), kernel.encode(entries)),
                np.where(products > 0.05, products**3, 0), atol=1e-6)

    def test_codebook_is_that_of_the_seed_and_near_its_clusters(self):
        centres = 10 * np.eye(5, dtype=np.float32)
        points = np.repeat(centres, 20, axis=0) + 0.1 * self.generator.normal(size=(100, 5))
        points = points.astype(np.float32)
        codebook, cells = quantizer.train_codebook(points, 5, seed=1)
        np.testing.assert_array_equal(codebook, quantizer.train_codebook(points, 5, seed=1)[0])
        self.assertEqual(quantizer.train_codebook(points, 100, seed=1)[0].shape, (100, 5))
        self.assertEqual(cells.shape, (0, 5))
        cost = np.min(np.linalg.norm(points[:, None] - codebook, axis=2), axis=1)
        self.assertLess(np.median(cost), 1)
        with self.assertRaisesRegex(ValueError, "number of training.*num_codewords=101, 100 descriptors"):
            quantizer.train_codebook(points, 101, seed=1)

    def test_many_codewords_are_learnt_and_found_by_cells(self):
        points = self.generator.normal(size=(1500, 4)).astype(np.float32)
        codebook, cells = quantizer.train_codebook(points, 1025, seed=1)
        self.assertEqual((codebook.shape, cells.shape), ((1025, 4), (32, 4)))
        near = np.argmin(np.linalg.norm(codebook[:, None] - cells, axis=2), axis=1)
        self.assertTrue(np.all(np.diff(near) >= 0))  # cell by cell
        shares = np.bincount(near) * 1500 / 1025
        members = np.bincount(np.argmin(np.linalg.norm(points[:, None] - cells, axis=2), axis=1))
        self.assertLess(np.abs(shares - members).max(), 1500 / 1025 + 1e-9)
        find = quantizer.CellQuantizer(codebook, cells)
        expected = quantizer.quantize(points, codebook, 3)
        self.assertGreater(np.mean(find(points, codebook, 3)[:, 0] == expected[:, 0]), 0.99)
        self.assertGreater(np.mean(find(points, codebook, 3) == expected), 0.95)
        images = [points[:40], points[:0], points[40:100]]
        whole = quantizer.Quantizer(codebook, SignKernel(3, 0, 4), 1, cells)
        for found, descriptors in zip(whole.aggregate_images(images), images):
            for array, expected_array in zip(found, whole.aggregate_image(descriptors)):
                np.testing.assert_array_equal(array, expected_array)
        np.testing.assert_array_equal(find(points[:2], codebook, 2000),  # more than eight cells have
                                      quantizer.quantize(points[:2], codebook, 2000))


if __name__ == "__main__":
    unittest.main()
