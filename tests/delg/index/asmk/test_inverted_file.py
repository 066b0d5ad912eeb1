"""delg.index.asmk.inverted_file: entries sorted by codeword, and sums over shared codewords by hand."""

import unittest

import numpy as np

from delg.index.asmk.inverted_file import InvertedFile
from delg.index.asmk.residuals import ResidualKernel


class InvertedFileTest(unittest.TestCase):
    def setUp(self):
        right, up = [1, 0], [0, 1]
        self.images = InvertedFile.of_images([
            (np.array([0, 2]), np.array([right, up], np.float32)),
            (np.array([], int), np.zeros((0, 2), np.float32)),
            (np.array([2]), np.array([[0.6, 0.8]], np.float32))], num_codewords=4)

    def test_entries_are_sorted_by_codeword_then_image(self):
        self.assertEqual(self.images.offsets.tolist(), [0, 1, 1, 3, 3])
        self.assertEqual(self.images.rows.tolist(), [0, 0, 2])
        np.testing.assert_allclose(self.images.residuals, [[1, 0], [0, 1], [0.6, 0.8]])

    def test_sums_by_hand(self):
        weights = np.array([2, 1, 3, 1], np.float32)
        np.testing.assert_array_equal(self.images.sum_weights(weights), [5, 0, 3])
        queries = InvertedFile.of_images([(np.array([2, 3]), np.array([[0, 1], [1, 0]], np.float32))], 4)
        scores = np.zeros((1, 3), np.float32)
        self.images.add_similarities(queries, ResidualKernel(2, 0, 2), weights, scores)
        np.testing.assert_allclose(scores, [[3, 0, 3 * 0.64]], rtol=1e-6)


if __name__ == "__main__":
    unittest.main()
