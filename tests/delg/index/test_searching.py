"""delg.index.searching: exact and approximate indexes answer alike."""

import unittest

import numpy as np

from delg.index.candidates.binary import BinaryCodes
from delg.index.searching import ApproximateIndex, ExactIndex
from delg.index.store import DescriptorStore


class IndexSearchTest(unittest.TestCase):
    def setUp(self):
        self.generator = np.random.default_rng(0)
        self.descriptors = self.generator.normal(size=(500, 16)).astype(np.float32)
        self.descriptors /= np.linalg.norm(self.descriptors, axis=1, keepdims=True)
        self.ids = [f"i{row}" for row in range(500)]
        self.exact = ExactIndex(self.descriptors, self.ids, "model")

    def approximate(self, num_candidates, store=None, ids=None):
        codes = BinaryCodes.train(self.descriptors)
        codes.add(DescriptorStore([self.descriptors]))
        return ApproximateIndex(self.descriptors if store is None else store, ids or self.ids, "model", codes,
                                num_candidates)

    def test_queries_need_no_unit_norm(self):
        rows, similarities = self.exact.search(7 * self.descriptors[:3], 4)
        np.testing.assert_array_equal(rows[:, 0], [0, 1, 2])
        np.testing.assert_allclose(similarities[:, 0], 1, rtol=1e-5)

    def test_agrees_with_a_full_product(self):
        products = self.descriptors[:7] @ self.descriptors.T
        for neighbors, kept in ((0, 500), (10, 10), (900, 500)):
            rows, similarities = self.exact.search(self.descriptors[:7], neighbors)
            np.testing.assert_array_equal(rows, np.argsort(-products, axis=1, kind="stable")[:, :kept])
            np.testing.assert_allclose(similarities, np.take_along_axis(products, rows, 1), atol=1e-6)

    def test_with_all_as_candidates_the_approximate_answer_is_exact(self):
        rows, similarities = self.approximate(500).search(self.descriptors[:7], 20)
        expected, cosines = self.exact.search(self.descriptors[:7], 20)
        np.testing.assert_array_equal(rows, expected)
        np.testing.assert_allclose(similarities, cosines, atol=1e-6)

    def test_number_of_results(self):
        index = self.approximate(30)
        for neighbors, expected in ((0, 30), (10, 10), (40, 40), (60, 60), (900, 500)):
            rows, similarities = index.search(self.descriptors[:2], neighbors)
            if expected > 50:  # a tenth of the index: all are compared
                np.testing.assert_array_equal(rows, self.exact.search(self.descriptors[:2], neighbors)[0])
            self.assertEqual((rows.shape, similarities.shape), ((2, expected), (2, expected)))
            self.assertTrue(np.all(np.diff(similarities, axis=1) <= 0))
        self.assertEqual(index.search(self.descriptors[:0], 10)[0].shape, (0, 10))
        self.assertEqual(self.exact.search(self.descriptors[:0], 0)[0].shape, (0, 500))

    def test_rows_count_what_was_not_removed(self):
        kept = np.arange(3, 500, 5)
        store = DescriptorStore([self.descriptors[:77], self.descriptors[77:]], kept)
        ids = [self.ids[place] for place in kept]
        expected, _ = ExactIndex(self.descriptors[kept], ids).search(self.descriptors[:7], 8)
        for index in (ExactIndex(store, ids), self.approximate(100, store, ids)):
            np.testing.assert_array_equal(index.search(self.descriptors[:7], 8)[0], expected)

    def test_a_query_with_too_few_candidates_is_searched_exactly(self):
        class Short:
            num_places = 500

            def candidates(self, queries, num_candidates, kept):
                found = np.full((len(queries), num_candidates), -1)
                found[0] = np.arange(num_candidates)  # enough for the first query only
                return found

        index = ApproximateIndex(self.descriptors, self.ids, "", Short(), 10)
        rows, _ = index.search(self.descriptors[:3], 10)
        self.assertEqual(set(rows[0]), set(range(10)))
        np.testing.assert_array_equal(rows[1:], self.exact.search(self.descriptors[1:3], 10)[0])

    def test_refuses_what_does_not_fit(self):
        with self.assertRaisesRegex(ValueError, r"must be \[Q, 16\].*\(2, 8\)"):
            self.exact.search(np.zeros((2, 8), np.float32), 5)
        with self.assertRaisesRegex(ValueError, "`queries` must be finite and not zero. Received: norm 0.0"):
            self.exact.search(np.zeros((2, 16), np.float32), 5)
        with self.assertRaisesRegex(ValueError, r"\(500, 16\), 1 ids"):
            ExactIndex(self.descriptors, ["a"])
        with self.assertRaisesRegex(ValueError, "same images. Received: 500 codes, 9 descriptors"):
            self.approximate(5, self.descriptors[:9], self.ids[:9])


if __name__ == "__main__":
    unittest.main()
