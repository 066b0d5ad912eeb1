"""A whitening of global descriptors that comes with a backbone."""

import dataclasses
import os
import pathlib
import unittest
from unittest import mock

import keras
import numpy as np

from delg.settings.untrained import UntrainedConfig
from delg.untrained import heads
from delg.untrained.network import build_untrained
from delg.vectors.within_class import kernel_of
from tests.fixtures import photographs, tiny_backbone
from tests.fixtures.temporary_files import FilesTest

setUpModule = tiny_backbone.use
CONFIG = UntrainedConfig(backbone="resnet18", local_dim=8)


class WhitenedNetworkTest(FilesTest):
    def test_the_global_descriptor_alone_is_multiplied_and_shipped(self):
        keras.utils.set_random_seed(0)
        generator = np.random.default_rng(0)
        plain = build_untrained(CONFIG, "none")
        model = build_untrained(CONFIG, "none", whitened=True)
        model.get_layer("backbone").set_weights(plain.get_layer("backbone").get_weights())
        directions = np.linalg.qr(generator.normal(size=(plain.output["global_descriptor"].shape[-1], 3)))[0]
        found = heads.Heads(*plain.get_layer("projection").get_weights(), 1.5,
                            whitening=(directions, np.array([0.2, 0.5, 3.0])))
        image = photographs.pixels(64, 96)[np.newaxis]
        before = plain(image)
        np.testing.assert_allclose(model(image)["global_descriptor"], before["global_descriptor"], atol=1e-5)
        found.put_in(model)
        expected = before["global_descriptor"].numpy() @ kernel_of(*found.whitening)
        np.testing.assert_allclose(model(image)["global_descriptor"], expected / np.linalg.norm(expected),
                                   atol=1e-5)
        np.testing.assert_allclose(model(image)["local_descriptors"], before["local_descriptors"], atol=1e-5)
        os.makedirs(self.path("heads"))
        with mock.patch.object(heads, "_SHIPPED", pathlib.Path(self.path("heads"))):
            heads.ship_heads(CONFIG, found)
            read = heads.shipped_heads(CONFIG)
            heads.ship_heads(CONFIG, dataclasses.replace(found, whitening=()))
            self.assertEqual(heads.shipped_heads(CONFIG).whitening, ())
        for array, written in zip(read.whitening, found.whitening):
            np.testing.assert_allclose(array, written, rtol=2e-3, atol=1e-4)

    def test_the_backbone_of_find_images_brings_one(self):
        directions, gains = heads.shipped_heads(UntrainedConfig()).whitening
        self.assertEqual((directions.shape, gains.shape), ((1280, 32), (32,)))
        np.testing.assert_allclose(directions.T @ directions, np.eye(32), atol=2e-3)


if __name__ == "__main__":
    unittest.main()
