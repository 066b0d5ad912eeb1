"""delg.index.candidates.binary: signs, packed, and compared one by one."""

import unittest

import numpy as np

from delg.index.candidates.binary import BinaryCodes
from delg.index.store import DescriptorStore


class BinaryCodesTest(unittest.TestCase):
    def test_bits_say_what_lies_above_the_mean(self):
        codes = BinaryCodes.train(np.array([[0, 2, 0], [2, 4, 0]], np.float32))
        encoded = codes.encode(np.array([[2, 3, 1], [0, 5, -1]], np.float32))
        np.testing.assert_array_equal(encoded, [[0b10100000] + [0] * 7, [0b01000000] + [0] * 7])

    def test_finds_the_nearest_codes_of_those_that_count(self):
        generator = np.random.default_rng(0)
        descriptors = generator.normal(size=(200, 100)).astype(np.float32)
        codes = BinaryCodes.train(descriptors)
        for part in (descriptors[:50], descriptors[50:]):
            codes.add(DescriptorStore([part]))
        self.assertEqual(codes.num_places, 200)
        queries = descriptors[:5] + 0.3 * generator.normal(size=(5, 100)).astype(np.float32)
        bits = descriptors > codes.mean
        for kept in (None, np.arange(1, 200, 3)):
            found = codes.candidates(queries, 20, kept)
            counting = np.arange(200) if kept is None else kept
            for query, places in enumerate(found):
                distances = np.count_nonzero(bits != (queries[query] > codes.mean), axis=1)
                self.assertTrue(set(places) <= set(counting))
                self.assertEqual(sorted(distances[places]), sorted(distances[counting])[:20])


if __name__ == "__main__":
    unittest.main()
