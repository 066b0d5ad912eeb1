import unittest

import numpy as np
import tensorflow as tf

from delg.reranking.layers import MaskedAttention, MaskedPooling, MutualMatches, PairwiseConsistency
from tests.fixtures.planar_world import unit


class MaskedAttentionTest(unittest.TestCase):
    def test_as_a_slow_loop(self):
        generator = np.random.default_rng(0)
        tokens, others = (generator.normal(size=(1, n, 4)).astype(np.float32) for n in (2, 3))
        mask, bias = np.array([[True, True, False]]), generator.normal(size=(1, 2, 3, 2)).astype(np.float32)
        layer = MaskedAttention(num_heads=2)
        found = layer([tokens, others, mask, bias]).numpy()
        weights = {name: [each.numpy() for each in dense.weights] for name, dense in layer._dense.items()}

        def project(name, values):
            kernel, offset = weights[name]
            return values @ kernel + offset

        mixed = np.zeros((2, 4))
        for row in range(2):
            for head in range(2):
                part = slice(2 * head, 2 * head + 2)
                query = project("query", tokens[0, row])[part]
                logits = [query @ project("key", others[0, k])[part] / np.sqrt(2) + bias[0, row, k, head]
                          for k in range(2)]  # the third is masked
                shares = np.exp(logits) / np.sum(np.exp(logits))
                mixed[row, part] = sum(
                    share * project("value", others[0, k])[part] for k, share in enumerate(shares))
        np.testing.assert_allclose(found[0], project("output", mixed), rtol=1e-4, atol=1e-5)


class MutualMatchesTest(unittest.TestCase):
    def test_by_hand(self):
        first = unit(np.array([[1, 0], [0.6, 0.8], [0.9, 0.1]]))[None]  # the third prefers what the first has
        second = np.float32([[[0.6, 0.8], [1, 0], [0, 0]]])
        places = np.arange(9, dtype=np.float32).reshape(1, 3, 3)
        mask, other_mask = np.array([[True] * 3]), np.array([[True, True, False]])
        own, other, likeness, kept = (array.numpy()[0] for array in MutualMatches(3)(
            [first, places, mask, second, 10 + places, other_mask]))
        self.assertEqual(kept.tolist(), [True, True, False])
        np.testing.assert_array_equal(own[:2], places[0, :2])
        np.testing.assert_array_equal(other[:2], 10 + places[0, [1, 0]])
        np.testing.assert_allclose(likeness[:2, 0], [1, 1], atol=1e-6)
        np.testing.assert_allclose(likeness[0, 1:], [0.4, 1 - first[0, 2, 0]], atol=1e-6)
        np.testing.assert_array_equal(likeness[2], [0, 0, 0])


class PairwiseConsistencyTest(unittest.TestCase):
    def setUp(self):
        places = np.random.default_rng(0).uniform(-1, 1, (1, 5, 3)).astype(np.float32)
        moved = 2 * places + np.float32([0.1, -0.2, 0])
        moved[..., 2] = places[..., 2] + 1  # seen twice as large
        self.places, self.moved = places, moved

    def test_matches_of_one_move_agree(self):
        found = PairwiseConsistency()([self.places, self.moved]).numpy()[0]
        apart = ~np.eye(5, dtype=bool)
        angle, zoom, unexpected, scales, _ = found[apart].T
        np.testing.assert_allclose(angle, 1, atol=0.01)
        np.testing.assert_allclose(zoom, 1, atol=0.02)
        np.testing.assert_allclose(unexpected, 0, atol=0.02)
        np.testing.assert_allclose(scales, 0, atol=1e-6)

    def test_the_order_of_the_images_changes_nothing(self):
        layer = PairwiseConsistency()
        np.testing.assert_allclose(layer([self.places, self.moved]), layer([self.moved, self.places]),
                                   atol=1e-5)


class MaskedPoolingTest(unittest.TestCase):
    def test_by_hand(self):
        tokens = tf.constant([[[1.0, 2.0], [3.0, 0.0], [9.0, 9.0], [9.0, 9.0]]])
        found = MaskedPooling()([tokens, tf.constant([[True, True, False, False]])])
        np.testing.assert_allclose(found, [[1.0, 0.5, 3.0, 2.0]])


if __name__ == "__main__":
    unittest.main()
