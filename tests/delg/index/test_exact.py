"""delg.index.exact: the true neighbours, equals in the order of their rows."""

import unittest
from unittest import mock

import faiss
import numpy as np

from delg.index import exact
from delg.index.store import DescriptorStore


def unit(generator, *shape):
    vectors = generator.normal(size=shape).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


class RankBySimilarityTest(unittest.TestCase):
    def test_equals_take_the_lower_row_first(self):
        similarities = np.array([0.5, -0.2, 0.5, 0.9, -0.2, 0.5], np.float32)
        np.testing.assert_array_equal(exact.rank_by_similarity(similarities, 6), [3, 0, 2, 5, 1, 4])
        np.testing.assert_array_equal(exact.rank_by_similarity(similarities, 3), [3, 0, 2])

    def test_zero_has_no_sign(self):
        similarities = np.array([-0.0, 0.0, -0.0, 0.0], np.float32)
        np.testing.assert_array_equal(exact.rank_by_similarity(similarities, 4), [0, 1, 2, 3])

    def test_agrees_with_a_stable_sort(self):
        generator = np.random.default_rng(0)
        for _ in range(50):
            similarities = (generator.integers(-5, 6, 200) / 5).astype(np.float32)
            expected = np.argsort(-similarities, kind="stable")
            for kept in (1, 17, 200):
                np.testing.assert_array_equal(exact.rank_by_similarity(similarities, kept),
                                              expected[:kept])


class NearestTest(unittest.TestCase):
    def setUp(self):
        generator = np.random.default_rng(0)
        self.descriptors, self.queries = unit(generator, 500, 16), unit(generator, 7, 16)
        self.products = self.queries @ self.descriptors.T
        self.expected = np.argsort(-self.products, axis=1, kind="stable")

    def test_agrees_with_a_full_product_whatever_the_blocks(self):
        store = DescriptorStore([self.descriptors[:130], self.descriptors[130:]])
        for settings in ({"_SPARE": 16}, {"_SCAN_ROWS": 37}, {"_QUERIES": 3},
                         {"_MAX_SCANNED": 0, "_BLOCK_ROWS": 64},
                         {"_MAX_SCANNED": 0, "_MAX_SIMILARITIES": 1000}):
            with mock.patch.multiple(exact, **settings):
                for kept in (1, 10, 499, 500):
                    rows, similarities = exact.nearest(self.queries, store, kept)
                    np.testing.assert_array_equal(rows, self.expected[:, :kept])
                    np.testing.assert_allclose(similarities, np.take_along_axis(self.products, rows, 1),
                                               atol=1e-6)

    def test_plain_arrays_more_than_all_neighbours_and_no_queries(self):
        rows, similarities = exact.nearest(self.queries, self.descriptors, 900)
        np.testing.assert_array_equal(rows, self.expected)
        self.assertEqual((rows.dtype, similarities.dtype), (np.int32, np.float32))
        rows, similarities = exact.nearest(self.queries[:0], self.descriptors, 3)
        self.assertEqual((rows.shape, similarities.shape), ((0, 3), (0, 3)))

    def test_settings_of_faiss_stay_as_they_were(self):
        before = faiss.cvar.distance_compute_blas_threshold, faiss.omp_get_max_threads()
        exact.nearest(np.tile(self.queries, (2, 1)), self.descriptors, 3)
        self.assertEqual((faiss.cvar.distance_compute_blas_threshold, faiss.omp_get_max_threads()), before)

    def test_equals_take_the_lower_row_first_however_many_they_are(self):
        descriptors = np.tile(np.eye(4, dtype=np.float32), (60, 1))  # row r shows axis r % 4
        store = DescriptorStore([descriptors])
        for scan_rows in (2**17, 50):
            with mock.patch.object(exact, "_SCAN_ROWS", scan_rows):
                for kept in (1, 5, 70, 240):
                    rows, _ = exact.nearest(np.eye(4, dtype=np.float32)[:2], store, kept)
                    for query in range(2):
                        first = np.arange(query, 240, 4)
                        others = np.setdiff1d(np.arange(240), first)
                        np.testing.assert_array_equal(rows[query], [*first, *others][:kept])

    def test_rescoring_all_rows_gives_the_same(self):
        store = DescriptorStore([self.descriptors[:130], self.descriptors[130:]])
        candidates = np.tile(np.random.default_rng(1).permutation(500), (7, 1))
        rows, similarities = exact.rescore(self.queries, store, candidates, 20)
        np.testing.assert_array_equal(rows, self.expected[:, :20])
        np.testing.assert_allclose(similarities, np.take_along_axis(self.products, rows, 1), atol=1e-6)

    def test_rescoring_ignores_missing_candidates(self):
        rows, _ = exact.rescore(self.queries[:1], DescriptorStore([self.descriptors]),
                                       np.array([[-1, 400, -1, 3]]), 2)
        self.assertEqual(set(rows[0]), {400, 3})


if __name__ == "__main__":
    unittest.main()
