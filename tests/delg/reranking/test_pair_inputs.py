import unittest

import numpy as np

from delg.features.shards import LocalFeatures
from delg.reranking import pair_inputs


class PairInputsTest(unittest.TestCase):
    def test_places_by_hand(self):
        local = LocalFeatures(np.float32([[0, 0], [49.5, 99.5], [99, 199]]), np.eye(3, dtype=np.float32),
                              np.ones(3, np.float32), np.float32([1, 2, 0.5]))
        np.testing.assert_allclose(pair_inputs.image_places(local, (100, 200)),
                                   [[-0.495, -0.995, 0], [0, 0, 1], [0.495, 0.995, -1]], atol=1e-6)

    def test_few_features_are_padded_and_many_cut(self):
        descriptors, places = np.ones((2, 4), np.float32), np.ones((2, 3), np.float32)
        for num_features, mask in ((3, [True, True, False]), (1, [True])):
            found = pair_inputs.padded(descriptors, places, num_features)
            self.assertEqual(found[2].tolist(), mask)
            self.assertEqual([array.sum(axis=1).tolist() for array in found[:2]],
                             [[4.0 * kept for kept in mask], [3.0 * kept for kept in mask]])


if __name__ == "__main__":
    unittest.main()
