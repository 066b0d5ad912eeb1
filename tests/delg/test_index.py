"""delg.index: exact, stable, and safe on disk."""

import os
import tempfile
import unittest
from unittest import mock

import numpy as np

from delg import index


class RankBySimilarityTest(unittest.TestCase):
    def test_equals_take_the_lower_row_first(self):
        similarities = np.array([0.5, -0.2, 0.5, 0.9, -0.2, 0.5], np.float32)
        np.testing.assert_array_equal(index.rank_by_similarity(similarities, 6), [3, 0, 2, 5, 1, 4])
        np.testing.assert_array_equal(index.rank_by_similarity(similarities, 3), [3, 0, 2])

    def test_zero_has_no_sign(self):
        similarities = np.array([-0.0, 0.0, -0.0, 0.0], np.float32)
        np.testing.assert_array_equal(index.rank_by_similarity(similarities, 4), [0, 1, 2, 3])

    def test_agrees_with_a_stable_sort(self):
        generator = np.random.default_rng(0)
        for _ in range(50):
            similarities = (generator.integers(-5, 6, 200) / 5).astype(np.float32)
            expected = np.argsort(-similarities, kind="stable")
            for kept in (1, 17, 200):
                np.testing.assert_array_equal(index.rank_by_similarity(similarities, kept), expected[:kept])


class ExactIndexTest(unittest.TestCase):
    def setUp(self):
        generator = np.random.default_rng(0)
        self.descriptors = generator.normal(size=(500, 16)).astype(np.float32)
        self.descriptors /= np.linalg.norm(self.descriptors, axis=1, keepdims=True)
        self.index = index.ExactIndex(self.descriptors, [f"i{row}" for row in range(500)], "model")

    def test_agrees_with_a_full_product_whatever_the_blocks(self):
        queries = self.descriptors[:7]
        products = queries @ self.descriptors.T
        expected = np.argsort(-products, axis=1, kind="stable")
        for block, held in ((500, 2**20), (64, 1000)):
            with mock.patch.multiple(index, _BLOCK_ROWS=block, _MAX_SIMILARITIES=held):
                for neighbors in (0, 10, 900):
                    rows, similarities = self.index.search(queries, neighbors)
                    kept = neighbors if neighbors == 10 else 500
                    np.testing.assert_array_equal(rows, expected[:, :kept])
                    np.testing.assert_allclose(similarities,
                                               np.take_along_axis(products, rows, 1), atol=1e-6)

    def test_refuses_other_dimension(self):
        with self.assertRaisesRegex(ValueError, r"must be \[Q, 16\].*\(2, 8\)"):
            self.index.search(np.zeros((2, 8), np.float32), 5)

    def test_refuses_other_number_of_ids(self):
        with self.assertRaisesRegex(ValueError, r"\(500, 16\), 1 ids"):
            index.ExactIndex(self.descriptors, ["a"])

    def test_saved_index_gives_the_same_answers(self):
        with tempfile.TemporaryDirectory() as folder:
            index.save_index(self.index, folder)
            index.save_index(self.index, folder)
            loaded = index.load_index(folder)
            self.assertEqual(sorted(os.listdir(folder)), ["descriptors.npy", "ids.json", "index.json"])
            self.assertEqual((loaded.ids, loaded.fingerprint), (self.index.ids, "model"))
            np.testing.assert_array_equal(loaded.search(self.descriptors[:3], 9)[0],
                                          self.index.search(self.descriptors[:3], 9)[0])

    def test_unfinished_folder_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            index.save_index(self.index, folder)
            os.remove(os.path.join(folder, "index.json"))
            with self.assertRaisesRegex(FileNotFoundError, "which has no index.json"):
                index.load_index(folder)

    def test_contradicting_files_are_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            index.save_index(self.index, folder)
            np.save(os.path.join(folder, "descriptors.npy"), self.descriptors[:9])
            with self.assertRaisesRegex(ValueError, r"shape \(500, 16\). Received: .*descriptors \(9, 16\)"):
                index.load_index(folder)


if __name__ == "__main__":
    unittest.main()
