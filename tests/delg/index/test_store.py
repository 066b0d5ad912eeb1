"""delg.index.store: several arrays, less what was removed, read as one."""

import unittest

import numpy as np

from delg.index.store import DescriptorStore


class DescriptorStoreTest(unittest.TestCase):
    def setUp(self):
        self.values = np.random.default_rng(0).normal(size=(23, 5)).astype(np.float16).astype(np.float32)
        segments = [self.values[:9], self.values[9:10], self.values[10:]]
        self.kept = np.array([0, 1, 2, 5, 6, 9, 10, 11, 20, 22])
        half = [segment.astype(np.float16) for segment in segments]
        self.stores = [(DescriptorStore(segments), self.values),
                       (DescriptorStore(segments, self.kept), self.values[self.kept]),
                       (DescriptorStore(half, self.kept), self.values[self.kept])]

    def test_reads_as_one_array(self):
        for store, expected in self.stores:
            self.assertEqual((store.shape, len(store), store.ndim), (expected.shape, len(expected), 2))
            np.testing.assert_array_equal(np.asarray(store), expected)
            for rows in (slice(2, 5), slice(None, None, 3), slice(5, 5), slice(1, None), 4, -1, [7, 0, 7],
                         np.array([[1, 2], [3, 9]]), np.arange(len(expected)) % 2 == 0):
                np.testing.assert_array_equal(store[rows], expected[rows])
                self.assertEqual(store[rows].dtype, np.float32)

    def test_blocks_cover_all_rows_once(self):
        for store, expected in self.stores:
            for num_rows in (1, 4, 100):
                blocks = list(store.blocks(num_rows))
                np.testing.assert_array_equal(np.concatenate([block for _, block in blocks]), expected)
                self.assertEqual([first for first, _ in blocks],
                                 np.cumsum([0, *(len(block) for _, block in blocks)])[:-1].tolist())

    def test_a_slice_of_one_segment_is_not_copied(self):
        self.assertTrue(np.shares_memory(self.stores[0][0][2:7], self.values))

    def test_inner_products_agree_with_a_loop(self):
        queries = np.random.default_rng(1).normal(size=(3, 5)).astype(np.float32)
        rows = np.array([[0, 9, 3, -1], [5, 5, 2, 1], [-1, -1, 8, 7]])
        for store, expected in self.stores:
            products = store.inner_products(queries, rows)
            for query, candidate in np.argwhere(rows >= 0):
                self.assertAlmostEqual(products[query, candidate],
                                       queries[query] @ expected[rows[query, candidate]], places=5)

    def test_refuses_rows_beyond_the_end(self):
        for store, expected in self.stores:
            with self.assertRaisesRegex(IndexError, f"must be in .0, {len(expected)}.* {len(expected)}"):
                store[[len(expected)]]
            with self.assertRaisesRegex(IndexError, f"must be below {len(expected)}"):
                store.inner_products(np.zeros((1, 5), np.float32), np.array([[len(expected)]]))


if __name__ == "__main__":
    unittest.main()
