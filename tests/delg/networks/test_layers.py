import unittest

import keras
import numpy as np
import tensorflow as tf

from delg.networks import layers
from delg.networks.replica_batch_norm import BatchNormalization
from tests.fixtures.replicas import two_replicas


class GeMPoolingTest(unittest.TestCase):
    def test_by_hand(self):  # cells 1 and 3: mean 2, cube mean (1 + 27) / 2 = 14
        maps = np.float32([[[[1.0], [3.0]]]])
        self.assertAlmostEqual(float(layers.GeMPooling(power=1.0)(maps)[0, 0]), 2.0, places=6)
        self.assertAlmostEqual(float(layers.GeMPooling(power=3.0)(maps)[0, 0]), 14 ** (1 / 3), places=6)

    def test_signed_maps_by_hand(self):  # cells 1 and -3: mean -1, cube mean (1 - 27) / 2 = -13
        maps = np.float32([[[[1.0], [-3.0]]]])
        for power, expected in ((1.0, -1.0), (3.0, -(13 ** (1 / 3)))):
            pooled = layers.GeMPooling(power, signed=True)(maps)
            self.assertAlmostEqual(float(pooled[0, 0]), expected, places=5)

    def test_signed_zero_map_gives_zero_and_finite_gradients(self):
        maps = tf.zeros([1, 2, 2, 3])
        with tf.GradientTape() as tape:
            tape.watch(maps)
            pooled = layers.GeMPooling(signed=True)(maps)
        np.testing.assert_array_equal(pooled, np.zeros([1, 3]))
        self.assertTrue(np.isfinite(tape.gradient(pooled, maps)).all())

    def test_large_power_of_large_values_stays_finite(self):
        maps = np.float32([[[[1e4], [2e4]]]])
        self.assertAlmostEqual(float(layers.GeMPooling(power=100.0)(maps)[0, 0]) / 2e4, 0.5 ** 0.01, places=4)

    def test_zero_map_gives_the_floor_and_finite_gradients(self):
        maps = tf.zeros([1, 2, 2, 3])
        with tf.GradientTape() as tape:
            tape.watch(maps)
            pooled = layers.GeMPooling()(maps)
        np.testing.assert_allclose(pooled, np.full([1, 3], 1e-6), rtol=1e-4)
        self.assertTrue(np.isfinite(tape.gradient(pooled, maps)).all())

    def test_gradient_equals_finite_differences(self):
        maps = tf.constant(np.random.default_rng(0).uniform(0.5, 2, (1, 2, 2, 1)), tf.float32)
        layer = layers.GeMPooling(power=3.0)
        with tf.GradientTape() as tape:
            tape.watch(maps)
            pooled = layer(maps)
        gradient = tape.gradient(pooled, maps).numpy().ravel()
        for cell in range(4):
            change = np.zeros(4, np.float32)
            change[cell] = 1e-2
            change = change.reshape(1, 2, 2, 1)
            slope = float((layer(maps + change) - layer(maps - change))[0, 0]) / 2e-2
            self.assertAlmostEqual(gradient[cell], slope, places=3)

    def test_power_is_trained_only_on_request(self):
        fixed, learnt = layers.GeMPooling(), layers.GeMPooling(learnable=True)
        for layer in (fixed, learnt):
            layer.build((None, None, None, 3))
        self.assertEqual((len(fixed.trainable_weights), len(learnt.trainable_weights)), (0, 1))

    def test_refuses_power_of_zero(self):
        with self.assertRaisesRegex(ValueError, "`power` must be positive. Received: power=0"):
            layers.GeMPooling(power=0)


class CosineClassifierTest(unittest.TestCase):
    def test_length_of_descriptor_and_of_weights_does_not_count(self):
        layer = layers.CosineClassifier(2)
        layer.build((None, 2))
        layer.kernel.assign([[10.0, 3.0], [0.0, 4.0]])  # directions (1, 0) and (0.6, 0.8)
        np.testing.assert_allclose(layer(np.float32([[2.0, 0.0]])), [[1.0, 0.6]], atol=1e-6)

    def test_the_nearest_direction_of_a_class_counts(self):
        layer = layers.CosineClassifier(2, num_subcenters=2)
        layer.build((None, 2))
        # The first directions of both classes are (1, 0) and (0.6, 0.8), the second (0, 1) and (-1, 0).
        layer.kernel.assign([[10.0, 3.0, 0.0, -1.0], [0.0, 4.0, 2.0, 0.0]])
        np.testing.assert_allclose(layer(np.float32([[2, 0], [0, 1]])), [[1.0, 0.6], [1.0, 0.8]], atol=1e-6)

    def test_is_float32_under_mixed_precision(self):
        keras.mixed_precision.set_global_policy("mixed_bfloat16")
        try:
            cosines = layers.CosineClassifier(3)(tf.ones([2, 4], tf.bfloat16))
        finally:
            keras.mixed_precision.set_global_policy("float32")
        self.assertEqual(cosines.dtype, tf.float32)


class BatchNormalizationTest(unittest.TestCase):
    def setUp(self):
        self.maps = np.random.default_rng(0).normal(3, 2, (4, 3, 3, 5)).astype(np.float32)

    def test_equals_the_plain_layer_on_one_replica(self):
        plain, shared = keras.layers.BatchNormalization(), BatchNormalization()
        expected = plain(self.maps, training=True)
        np.testing.assert_allclose(shared(self.maps, training=True), expected, atol=1e-5)
        for expected, found in zip(plain.get_weights(), shared.get_weights()):
            np.testing.assert_allclose(found, expected, atol=1e-5)
        np.testing.assert_allclose(shared(self.maps), plain(self.maps), atol=1e-5)

    def test_two_replicas_equal_one(self):
        one = BatchNormalization()
        expected = one(self.maps, training=True)
        strategy = two_replicas()
        with strategy.scope():
            two = BatchNormalization()
            two.build(self.maps.shape)
        halves = strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(np.split(self.maps, 2)[context.replica_id_in_sync_group]))
        outputs = strategy.run(tf.function(lambda maps: two(maps, training=True)), args=(halves,))
        found = np.concatenate(strategy.experimental_local_results(outputs))
        np.testing.assert_allclose(found, expected, atol=1e-5)
        for value, moved in zip(one.get_weights(), two.get_weights()):
            np.testing.assert_allclose(moved, value, atol=1e-5)

    def test_frozen_layer_uses_its_moving_statistics(self):
        layer = BatchNormalization(trainable=False)
        np.testing.assert_allclose(layer(self.maps, training=True), self.maps / np.sqrt(1.001), rtol=1e-5)


class SmallLayersTest(unittest.TestCase):
    def test_normalization_by_hand(self):  # (30 - 10) / 2, (20 - 0) / 4, (10 - 0) / 1, then BGR
        layer = layers.ImageNormalization((10, 0, 0), (2, 4, 1), reverse_channels=True)
        np.testing.assert_allclose(layer(np.uint8([[[[30, 20, 10]]]])), [[[[10, 5, 10]]]])

    def test_padding_to_a_side_fills_small_maps_alone(self):
        padded = layers.PadToSide(4)(tf.ones([1, 3, 6, 1]))
        self.assertEqual((padded.shape, float(tf.reduce_sum(padded))), ((1, 4, 6, 1), 18.0))

    def test_padding_makes_odd_sides_even(self):
        self.assertEqual(layers.PadToMultiple(2)(tf.ones([1, 3, 4, 1])).shape, (1, 4, 4, 1))
        self.assertEqual(float(tf.reduce_sum(layers.PadToMultiple(2)(tf.ones([1, 3, 3, 1])))), 9.0)
        self.assertEqual(layers.PadToMultiple(16)(tf.ones([1, 17, 16, 1])).shape, (1, 32, 16, 1))
        for sides, expected in (((17, 16), (18, 16)), ((None, 17), (None, 18))):
            found = layers.PadToMultiple(2)(keras.Input((*sides, 3)))
            self.assertEqual(found.shape.as_list(), [None, *expected, 3])

    def test_subsampling_keeps_first_cell(self):
        maps = tf.reshape(tf.range(9.0), [1, 3, 3, 1])
        np.testing.assert_array_equal(tf.reshape(layers.Subsampling(2)(maps), [-1]), [0, 2, 6, 8])

    def test_stop_gradient(self):
        value = tf.Variable(2.0)
        with tf.GradientTape() as tape:
            result = value * layers.StopGradient()(value)
        self.assertEqual(float(tape.gradient(result, value)), 2.0)

    def test_l2_normalization_of_zero_is_zero(self):
        unit = layers.L2Normalization()(np.float32([[3, 4], [0, 0]]))
        np.testing.assert_allclose(unit, [[0.6, 0.8], [0, 0]])

    def test_reconstruction_error_is_a_mean_per_image(self):  # squares 1 and 9 over two channels; 0
        error = layers.ReconstructionError()([np.float32([[[[1, 3]]], [[[2, 2]]]]),
                                              np.float32([[[[0, 0]]], [[[2, 2]]]])])
        np.testing.assert_allclose(error, [5.0, 0.0])

    def test_configs_round_trip(self):
        for layer in (layers.ImageNormalization((1, 2, 3), (4, 5, 6), True), layers.Subsampling(2),
                      layers.GeMPooling(4.0, True, 1e-5), layers.CosineClassifier(7, 3)):
            config = layer.get_config()
            self.assertEqual(type(layer).from_config(config).get_config(), config)
