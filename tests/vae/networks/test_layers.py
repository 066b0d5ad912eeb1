import unittest

import keras
import numpy as np
import tensorflow as tf

from vae.networks.layers import (
    GradientReversal,
    LatentCentring,
    LatentPooling,
    LatentWhitening,
    LocalContrast,
    PartWeighting,
    instance_normalization,
    layer_normalization,
)


class GradientReversalTest(unittest.TestCase):
    def test_identity_whose_gradient_is_turned_round(self):
        inputs = tf.Variable([1.0, -2.0])
        with tf.GradientTape() as tape:
            outputs = GradientReversal(0.5)(inputs)
            total = tf.reduce_sum(3.0 * outputs)
        np.testing.assert_array_equal(outputs, [1, -2])
        np.testing.assert_allclose(tape.gradient(total, inputs), [-1.5, -1.5])


class LatentCentringTest(unittest.TestCase):
    def test_training_subtracts_the_mean_of_the_batch_and_remembers_it(self):
        layer = LatentCentring(size=1, momentum=0.75)
        latent = np.float32([2.0, 6.0]).reshape(2, 1, 1, 1)
        np.testing.assert_allclose(np.ravel(layer(latent, training=True)), [-2, 2])
        np.testing.assert_allclose(np.ravel(layer(latent, training=False)), [1, 5])  # a quarter of 4

    def test_means_are_resized_to_other_latents(self):
        layer = LatentCentring(size=2)
        layer.build((None, 2, 2, 1))
        layer.moving_mean.assign(np.float32([[1, 1], [3, 3]])[..., np.newaxis])
        found = layer(np.zeros((1, 4, 2, 1), np.float32), training=False)[0, :, 0, 0]
        np.testing.assert_allclose(found, [-1, -1.5, -2.5, -3])  # bilinear between the centres of cells


class LatentWhiteningTest(unittest.TestCase):
    def test_channels_are_multiplied_by_a_matrix_the_identity_at_first(self):
        layer, latent = LatentWhitening(), np.float32([2.0, 3.0]).reshape(1, 1, 1, 2)
        np.testing.assert_array_equal(layer(latent), latent)
        layer.matrix.assign([[1.0, 10.0], [0.0, 100.0]])
        np.testing.assert_array_equal(np.ravel(layer(latent)), [2, 320])
        self.assertEqual(layer.trainable_weights, [])


class PartWeightingTest(unittest.TestCase):
    def test_cells_are_multiplied_by_the_weight_of_their_part_one_at_first(self):
        layer = PartWeighting(2)
        latent = np.arange(12, dtype=np.float32).reshape(1, 4, 3, 1)
        np.testing.assert_array_equal(layer(latent), latent)
        layer.part_weights.assign([[0.0, 1.0], [2.0, 3.0]])
        # the middle column's middle is that of the image: it counts to the right
        np.testing.assert_array_equal(layer(latent)[0, ..., 0], [[0, 1, 2], [0, 4, 5], [12, 21, 24],
                                                                 [18, 30, 33]])
        self.assertEqual(layer.trainable_weights, [])
        self.assertEqual(PartWeighting.from_config(layer.get_config()).grid, 2)


class LocalContrastTest(unittest.TestCase):
    def test_by_hand(self):  # logarithms 0, 1, 0 of a row: the edges' neighbourhoods have two pixels
        images = (np.exp([0.0, 1.0, 0.0]) - 1.0).reshape(1, 1, 3, 1).astype(np.float32) / 255.0
        centred = np.array([-1 / 2, 2 / 3, -1 / 2])
        variances = np.array([centred[:2] @ centred[:2] / 2, centred @ centred / 3,
                              centred[1:] @ centred[1:] / 2])
        found = LocalContrast(3, floor=0.25)(images)
        np.testing.assert_allclose(np.ravel(found), centred / np.sqrt(variances + 0.25), rtol=1e-5)

    def test_uneven_light_matters_less_than_what_it_falls_on(self):
        rng = np.random.default_rng(0)
        first, second = rng.uniform(0.2, 0.9, (2, 32, 32, 3)).astype(np.float32)
        light = np.linspace(0.3, 1.0, 32, dtype=np.float32)[:, np.newaxis, np.newaxis]
        seen = LocalContrast()(np.stack([first, first * light, second])).numpy()
        self.assertLess(5 * np.abs(seen[0] - seen[1]).mean(), np.abs(seen[0] - seen[2]).mean())


class LatentPoolingTest(unittest.TestCase):
    def test_means_of_parts_side_by_side_of_unit_norm(self):
        latent = np.zeros((1, 2, 4, 1), np.float32)
        latent[0, 0, :2], latent[0, 1, 2:] = 3, 4
        np.testing.assert_allclose(LatentPooling(2)(latent), [[0.6, 0, 0, 0.8]], atol=1e-6)

    def test_a_cell_in_two_parts_counts_in_each(self):  # three cells, two parts: 1, 2 | 2, 3 by halves
        latent = np.float32([1, 2, 6]).reshape(1, 3, 1, 1)
        parts = np.array([(1 + 2 / 2) / 1.5, (2 / 2 + 6) / 1.5]).repeat(2)
        np.testing.assert_allclose(LatentPooling(2)(latent)[0], parts / np.linalg.norm(parts), rtol=1e-5)


class NormalizationTest(unittest.TestCase):
    def setUp(self):
        self.maps = np.random.default_rng(0).normal(3, 2, (2, 5, 6, 4)).astype(np.float32)

    def test_instances_are_normalised_by_channel(self):
        found = instance_normalization("norm")(self.maps).numpy()
        np.testing.assert_allclose(found.mean((1, 2)), 0, atol=1e-5)
        np.testing.assert_allclose(found.std((1, 2)), 1, atol=1e-4)

    def test_layers_are_normalised_as_a_whole(self):
        found = layer_normalization("norm")(self.maps).numpy()
        np.testing.assert_allclose(found.mean((1, 2, 3)), 0, atol=1e-5)
        np.testing.assert_allclose(found.std((1, 2, 3)), 1, atol=1e-4)

    def test_their_replacement_in_keras_is_equal(self):
        for made, groups in ((instance_normalization("a"), 4), (layer_normalization("b"), 1)):
            other = keras.layers.GroupNormalization(groups, epsilon=1e-5)
            np.testing.assert_allclose(made(self.maps), other(self.maps), atol=1e-5)


class ConfigTest(unittest.TestCase):
    def test_layers_survive_their_config(self):
        for layer in (GradientReversal(2.0), LatentCentring(3, 0.5), LatentPooling(4), LatentWhitening(),
                      LocalContrast(5, 0.1)):
            copy = type(layer).from_config(layer.get_config())
            self.assertEqual(copy.get_config(), layer.get_config())


if __name__ == "__main__":
    unittest.main()
