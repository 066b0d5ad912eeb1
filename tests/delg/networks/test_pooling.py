import unittest

import keras
import numpy as np
import tensorflow as tf

from delg.networks import pooling
from delg.settings.untrained import UntrainedConfig


def _slow_regional_gem(cells, size, power):
    """The same of one map [h, w, C], cell by cell."""
    height, width, _ = cells.shape
    reach, found = size // 2, np.zeros_like(cells)
    for row in range(height):
        for column in range(width):
            square = cells[max(0, row - reach):row + reach + 1, max(0, column - reach):column + reach + 1]
            mean = np.mean(square ** power, axis=(0, 1)) ** (1 / power)
            found[row, column] = (cells[row, column] + mean) / 2
    return found


class RegionalGeMTest(unittest.TestCase):
    def test_by_hand(self):  # squares of three cells cut to two: (1 + 9) / 2 = 5, (1 + 9 + 0) / 3 = 10 / 3
        maps = np.float32([[[[1.0], [3.0], [0.0]]]])
        found = pooling.RegionalGeM(size=3, power=2.0)(maps).numpy().ravel()
        np.testing.assert_allclose(found, [(1 + 5 ** 0.5) / 2, (3 + (10 / 3) ** 0.5) / 2, 4.5 ** 0.5 / 2],
                                   rtol=1e-5)

    def test_equals_a_slow_loop_on_maps_of_any_size(self):
        for shape in ((7, 6, 3), (2, 9, 3), (1, 1, 3)):
            maps = np.random.default_rng(0).uniform(0.1, 2, (2, *shape)).astype(np.float32)
            found = pooling.RegionalGeM()(maps)
            for one, cells in zip(found, maps):
                np.testing.assert_allclose(one, _slow_regional_gem(cells, 5, 2.5), rtol=1e-4)

    def test_signed_maps_keep_their_signs(self):  # (16 - 4) / 2 = 6
        found = pooling.RegionalGeM(size=3, power=2.0, signed=True)(np.float32([[[[4.0], [-2.0]]]]))
        np.testing.assert_allclose(found.numpy().ravel(), [2 + 1.5 ** 0.5, 1.5 ** 0.5 - 1], rtol=1e-5)

    def test_large_values_stay_finite_and_zero_gives_the_floor(self):
        np.testing.assert_allclose(pooling.RegionalGeM(power=50.0)(np.full((1, 2, 2, 1), 1e4, np.float32)),
                                   np.full((1, 2, 2, 1), 1e4), rtol=1e-4)
        maps = tf.zeros([1, 2, 2, 3])
        with tf.GradientTape() as tape:
            tape.watch(maps)
            found = pooling.RegionalGeM()(maps)
        np.testing.assert_allclose(found, np.full([1, 2, 2, 3], 1e-6), rtol=1e-4)
        self.assertTrue(np.isfinite(tape.gradient(found, maps)).all())

    def test_config_round_trips_and_weights_tell_it_from_plain_pooling(self):
        layer = pooling.RegionalGeM(3, 2.0, 1e-5)
        self.assertEqual(pooling.RegionalGeM.from_config(layer.get_config()).get_config(), layer.get_config())
        layer.build((None, None, None, 2))
        self.assertEqual((len(layer.trainable_weights), [float(value) for value in layer.get_weights()]),
                         (0, [2.0]))

    def test_refuses_even_squares_and_no_power(self):
        with self.assertRaisesRegex(ValueError, "`size` must be odd and positive. Received: size=4"):
            pooling.RegionalGeM(size=4)
        with self.assertRaisesRegex(ValueError, "`power` must be positive. Received: power=0"):
            pooling.RegionalGeM(power=0)


class SharedCosineTest(unittest.TestCase):
    def test_cosines_have_their_shares(self):
        generator = np.random.default_rng(0)
        first, second = generator.normal(size=(2, 3)), generator.normal(size=(2, 5))
        found = pooling.SharedCosine(0.25)([np.float32(first), np.float32(second)]).numpy()
        self.assertEqual(found.shape, (2, 8))

        def cosine(vectors):
            return vectors[0] @ vectors[1] / np.linalg.norm(vectors[0]) / np.linalg.norm(vectors[1])

        self.assertAlmostEqual(cosine(found), 0.25 * cosine(first) + 0.75 * cosine(second), places=5)

    def test_config_round_trips_and_share_is_no_trained_weight(self):
        layer = pooling.SharedCosine(0.25)
        config = layer.get_config()
        self.assertEqual(pooling.SharedCosine.from_config(config).get_config(), config)
        layer.build([(None, 3), (None, 5)])
        self.assertEqual((len(layer.trainable_weights), float(layer.get_weights()[0])), (0, 0.25))


class GlobalVectorTest(unittest.TestCase):
    def test_regional_gem_is_gem_of_what_regional_gem_makes_of_the_map(self):
        maps = keras.Input((None, None, 3))
        config = UntrainedConfig(backbone="resnet18", global_pooling="regional_gem", gem_power=4)
        model = keras.Model(maps, pooling.global_vector({"global": maps}, config))
        cells = np.random.default_rng(0).uniform(0.1, 2, (1, 4, 5, 3)).astype(np.float32)
        around = _slow_regional_gem(cells[0], 5, 2.5)
        np.testing.assert_allclose(model(cells)[0], np.mean(around ** 4, axis=(0, 1)) ** 0.25, rtol=1e-4)
        self.assertEqual(float(model.get_layer("gem_pooling").exponent), 4.0)

    def test_a_class_token_stands_alone(self):
        maps = {"global": keras.Input((None, None, 2)), "class_token": keras.Input((2,))}
        config = UntrainedConfig(backbone="dinov2_vits14", global_pooling="cls")
        found = keras.Model(maps, pooling.global_vector(maps, config))(
            {"global": np.zeros([1, 1, 1, 2]), "class_token": np.float32([[0, -2]])})
        self.assertEqual(found.numpy().tolist(), [[0, -2]])

    def test_a_class_token_stands_beside_the_signed_mean(self):
        maps = {"global": keras.Input((None, None, 2)), "class_token": keras.Input((2,))}
        config = UntrainedConfig(backbone="dinov2_vits14", global_pooling="cls_gem", gem_power=1)
        model = keras.Model(maps, pooling.global_vector(maps, config))
        found = model({"global": np.float32([[[[-6, 8], [0, 0]]]]), "class_token": np.float32([[0, -2]])})
        np.testing.assert_allclose(found, [np.float32([0, -1, -0.6, 0.8]) * 0.5 ** 0.5], atol=1e-5)
