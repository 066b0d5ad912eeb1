import os
import tempfile
import unittest
from unittest import mock

import keras
import numpy as np
from keras.src.applications import convnext as published

from delg.networks.backbones import convnext
from tests.fixtures.fields import check_field

_DEPTHS, _CHANNELS = (1, 1, 2, 1), (4, 6, 8, 10)


def _original(weights=None):
    return published.ConvNeXt(
        depths=_DEPTHS, projection_dims=_CHANNELS, model_name="narrow", include_preprocessing=False,
        include_top=False, weights=weights, input_shape=(None, None, 3))


def _randomised(model):
    """Every weight moved, so that none can be mistaken for another."""
    generator = np.random.default_rng(0)
    model.set_weights([weight + generator.normal(size=weight.shape) * 0.3 for weight in model.get_weights()])
    return model


class ConvNeXtTest(unittest.TestCase):
    def test_equals_keras_applications(self):
        original = _randomised(_original())
        network = convnext.build_convnext("convnext", _DEPTHS, _CHANNELS)
        convnext.copy_weights(original, network)
        images = np.random.default_rng(1).normal(size=(2, 70, 101, 3)).astype(np.float32)
        np.testing.assert_allclose(network(images), original(images), atol=1e-4)

    def test_receptive_field(self):
        network = _randomised(convnext.build_convnext("convnext", _DEPTHS, _CHANNELS))
        maps = keras.Model(network.input, {"local": network.get_layer("stage2_block1_add").output})
        size, padding = convnext.field_at_stride_16(_DEPTHS)
        check_field(self, maps, "local", (size, 16, padding))

    def test_images_of_less_than_a_cell_give_one(self):
        network = convnext.build_convnext("convnext", _DEPTHS, _CHANNELS)
        self.assertEqual(network(np.zeros([1, 5, 40, 3], np.float32)).shape, (1, 1, 1, 10))

    def test_files_of_keras_applications_are_read_and_others_refused(self):
        network = convnext.build_convnext("convnext_tiny", _DEPTHS, _CHANNELS)
        with tempfile.TemporaryDirectory() as folder, \
                mock.patch.object(keras.applications, "ConvNeXtTiny",
                                  lambda weights, **_: _original(weights)):
            path = os.path.join(folder, "convnext_notop.h5")
            original = _randomised(_original())
            original.save_weights(path)
            convnext.load_convnext_weights(network, path)
            np.testing.assert_array_equal(network.get_weights()[-1], original.get_weights()[-1])
            keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save_weights(path)
            with self.assertRaisesRegex(ValueError, "must be a weight file of keras.applications for conv"):
                convnext.load_convnext_weights(network, path)
            with open(path, "wb") as file:
                file.write(b"no HDF5")
            with self.assertRaisesRegex(ValueError, "convnext_notop.h5 must be a weight file of ker"):
                convnext.load_convnext_weights(network, path)
            with self.assertRaisesRegex(FileNotFoundError, "imagenet, none or a file. No such .*absent"):
                convnext.load_convnext_weights(network, os.path.join(folder, "absent.h5"))


if __name__ == "__main__":
    unittest.main()
