import unittest

import numpy as np
import tensorflow as tf

from delg.networks.delg import build_delg
from delg.settings.model import ModelConfig
from delg.settings.training import TrainConfig
from delg.training import head_starts
from delg.vectors.within_class import within_class_whitening
from tests.fixtures import tiny_backbone


def setUpModule():
    tiny_backbone.use()


def settings(**changes) -> TrainConfig:
    return TrainConfig("shards", "model", **changes)


class InitialiseTest(unittest.TestCase):
    def setUp(self):
        tf.keras.utils.set_random_seed(0)
        config = ModelConfig(num_classes=3, backbone="resnet18", width=0.125, embedding_dim=4,
                             autoencoder_dim=6, attention_dim=8)
        self.model = build_delg(config)
        images = np.random.default_rng(0).integers(0, 255, (24, 32, 32, 3), dtype=np.uint8)
        self.images = images
        self.dataset = tf.data.Dataset.from_tensor_slices((images, np.zeros(24))).batch(8)

    def _error(self):
        return float(tf.reduce_mean(self.model(self.images)["reconstruction_error"]))

    def test_whitened_features_are_centred_and_uncorrelated(self):
        head_starts.initialise_whitening(
            self.model, self.dataset, settings(num_init_images=24, whitening_exponent=1.0))
        layer = self.model.get_layer("whitening")
        features = tf.keras.Model(self.model.input, layer.output)(self.images).numpy()
        np.testing.assert_allclose(features.mean(axis=0), np.zeros(4), atol=1e-4 * np.abs(features).max())
        correlations = np.corrcoef(features, rowvar=False)
        np.testing.assert_allclose(correlations, np.eye(4), atol=1e-2)

    def test_autoencoder_starts_with_a_smaller_error(self):
        before = self._error()
        head_starts.initialise_autoencoder(self.model, self.dataset, settings(num_init_images=24))
        self.assertLess(self._error(), 0.5 * before)

    def test_autoencoder_reconstructs_alike_whatever_the_exponent(self):
        errors = []
        for exponent in (0.0, 0.5, 1.0):
            head_starts.initialise_autoencoder(
                self.model, self.dataset, settings(num_init_images=24, autoencoder_exponent=exponent))
            errors.append(self._error())
        np.testing.assert_allclose(errors, errors[0], rtol=1e-3)

    def test_identity_passes_pooled_features_through(self):
        model = build_delg(ModelConfig(num_classes=3, backbone="resnet18", width=0.125, embedding_dim=16))
        head_starts.initialise_identity(model, self.dataset, settings())
        layer = model.get_layer("whitening")
        pooled = np.random.default_rng(0).random((2, 16)).astype(np.float32)
        np.testing.assert_array_equal(layer(pooled), pooled)

    def test_within_class_is_learnt_from_the_pooled_features_and_their_labels(self):
        model = build_delg(ModelConfig(num_classes=3, backbone="resnet18", width=0.125, embedding_dim=16))
        labels = np.arange(24) % 3
        dataset = tf.data.Dataset.from_tensor_slices((self.images, labels)).batch(8)
        head_starts.initialise_within_class(model, dataset.repeat(), settings(
            num_init_images=24, whitening_shrinkage=0.5))
        layer = model.get_layer("whitening")
        pooled = tf.keras.Model(model.input, layer.input)(self.images).numpy()
        np.testing.assert_allclose(layer.kernel, within_class_whitening(pooled, labels, 0.5), atol=1e-4)
        np.testing.assert_array_equal(layer.bias, np.zeros(16))

    def test_identity_needs_equal_sizes(self):
        with self.assertRaisesRegex(ValueError, "equal to the channels of the global map"):
            head_starts.initialise_identity(self.model, self.dataset, settings())

    def test_looks_at_the_given_number_of_images_only(self):
        head_starts.initialise_whitening(self.model, self.dataset.take(1), settings(num_init_images=8))
        expected = self.model.get_layer("whitening").kernel.numpy()
        head_starts.initialise_whitening(self.model, self.dataset, settings(num_init_images=8))
        np.testing.assert_array_equal(self.model.get_layer("whitening").kernel, expected)

    def test_refuses_more_dimensions_than_channels(self):
        model = build_delg(ModelConfig(num_classes=3, backbone="resnet18", width=0.125, embedding_dim=17,
                                       autoencoder_dim=17))
        with self.assertRaisesRegex(ValueError, "Received: embedding_dim=17, 16 channels"):
            head_starts.initialise_whitening(model, self.dataset, settings())
        with self.assertRaisesRegex(ValueError, "Received: autoencoder_dim=17, 16 channels"):
            head_starts.initialise_autoencoder(model, self.dataset, settings())
