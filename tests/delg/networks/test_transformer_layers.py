import unittest

import keras
import numpy as np
import tensorflow as tf

from delg.networks import transformer_layers as layers


class ResamplingTest(unittest.TestCase):
    def test_the_same_size_is_the_identity(self):
        for antialias in (False, True):
            np.testing.assert_allclose(layers.resampling_matrix(5, 5, antialias), np.eye(5), atol=1e-6)

    def test_twice_the_size_by_hand(self):
        # New places 1 and 3 lie at 0.25 and 1.25: taps at 1.25, 0.25, 0.75 and 1.75 of Keys's kernel.
        matrix = layers.resampling_matrix(4, tf.constant(8)).numpy()
        self.assertEqual(matrix.shape, (8, 4))
        np.testing.assert_allclose(matrix[3], [-0.10546875, 0.87890625, 0.26171875, -0.03515625], atol=1e-6)
        np.testing.assert_allclose(matrix[1], [0.7734375, 0.26171875, -0.03515625, 0], atol=1e-6)

    def test_antialias_takes_all_places_that_a_new_one_covers(self):
        matrix = layers.resampling_matrix(6, 2, antialias=True).numpy()  # centres 1 and 4, kernel of 12
        x = np.abs(np.arange(6) - 1) / 3
        weights = np.where(x < 1, 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2)
        np.testing.assert_allclose(matrix[0], weights / weights.sum(), atol=1e-6)
        np.testing.assert_allclose(matrix[1], matrix[0][::-1], atol=1e-6)


class SlicedAttentionTest(unittest.TestCase):
    def test_equals_attention_to_all_at_once(self):
        whole = keras.layers.MultiHeadAttention(2, 3)
        tokens = np.random.default_rng(0).normal(size=(2, 7, 6)).astype(np.float32)
        expected = whole(tokens, tokens)
        for size in (1, 3, 7, 100):
            sliced = layers.SlicedAttention(2, 3, slice_size=size)
            sliced(tokens, tokens)
            sliced.set_weights(whole.get_weights())
            for training in (False, True):
                np.testing.assert_allclose(sliced(tokens, tokens, training=training), expected, atol=1e-6)

    def test_is_written_and_read_with_its_size(self):
        layer = layers.SlicedAttention(2, 3, slice_size=5)
        self.assertEqual(layers.SlicedAttention.from_config(layer.get_config()).slice_size, 5)


class TokensTest(unittest.TestCase):
    def test_registers_stand_behind_the_first_token_and_the_map_is_of_the_last(self):
        tokens = tf.reshape(tf.range(7, dtype=tf.float32), [1, 7, 1])
        registers = layers.RegisterTokens(2)
        registers.build(tokens.shape)
        registers.set_weights([np.float32([[[10], [20]]])])
        found = registers(tokens)
        self.assertEqual(found[0, :, 0].numpy().tolist(), [0, 10, 20, 1, 2, 3, 4, 5, 6])
        patches = layers.PatchMap()([found, tf.zeros([1, 2, 3, 4])])
        self.assertEqual(patches[0, ..., 0].numpy().tolist(), [[1, 2, 3], [4, 5, 6]])


if __name__ == "__main__":
    unittest.main()
