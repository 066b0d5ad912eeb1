import unittest

import numpy as np

from hashing.codes import codes
from hashing.index.hamming_scan import HammingScan


def _random_codes(count, code_size, seed):
    return np.random.default_rng(seed).integers(0, 256, (count, code_size // 8), dtype=np.uint8)


def _distances(queries, index):
    return codes.hamming_distances(*(np.unpackbits(part, axis=1) for part in (queries, index)))


class HammingScanTest(unittest.TestCase):
    def _check(self, queries, index, num_neighbors):
        distances, rows = HammingScan(index).search(queries, num_neighbors)
        true = _distances(queries, index)
        np.testing.assert_array_equal(distances, np.sort(true, axis=1)[:, :num_neighbors])
        np.testing.assert_array_equal(distances, np.take_along_axis(true, rows, 1))
        self.assertTrue(all(len(set(found)) == num_neighbors for found in rows))

    def test_every_size_of_code(self):
        for code_size in (8, 16, 24, 64, 72, 128, 248, 256):
            index = _random_codes(1001, code_size, 0)
            queries = np.concatenate([_random_codes(9, code_size, 1), index[:1], ~index[1:2]])
            for num_neighbors in (1, 20, 100, 1001):
                with self.subTest(code_size=code_size, num_neighbors=num_neighbors):
                    self._check(queries, index, num_neighbors)

    def test_any_number_of_codes_and_queries(self):
        for num_codes, num_queries in ((1, 1), (31, 2), (32, 7), (33, 8), (65, 17), (5000, 40)):
            with self.subTest(num_codes=num_codes, num_queries=num_queries):
                self._check(_random_codes(num_queries, 32, 0), _random_codes(num_codes, 32, 1),
                            min(num_codes, 50))

    def test_many_codes_at_one_distance(self):
        for distinct in (1, 3):
            with self.subTest(distinct=distinct):
                index = _random_codes(distinct, 64, 0)[np.arange(4000) % distinct]
                self._check(_random_codes(20, 64, 1), index, 100)

    def test_where_rounding_errs_most(self):
        # 62 numbers of two bits are looked up as 62 x 128, each half a unit too high; one bit farther, 41 of
        # three bits and one of two as 41 x 191 + 128, a quarter of a unit too low.
        near = np.full(31, 0b00110011, np.uint8)
        far = np.array([0b01110111] * 20 + [0b00110111] + [0] * 10, np.uint8)
        distances, rows = HammingScan(np.stack([far, near])).search(np.zeros((1, 31), np.uint8), 2)
        self.assertEqual((distances.tolist(), rows.tolist()), ([[124, 125]], [[1, 0]]))


if __name__ == "__main__":
    unittest.main()
