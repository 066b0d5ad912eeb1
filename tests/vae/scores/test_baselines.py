"""Tests of vae.scores.baselines; networks have random weights here."""

import cv2
import keras
import numpy as np

from delg.photometric.clahe import equalised
from delg.vectors.unit import unit_vectors
from tests.fixtures.temporary_files import FilesTest
from vae.scores import baselines


def _images(count=3, size=48, seed=0):
    rng = np.random.default_rng(seed)
    return np.stack([cv2.resize(rng.integers(0, 255, (6, 6, 3), dtype=np.uint8), (size, size))
                     for _ in range(count)])


class ClaheTest(FilesTest):
    def test_equalises_each_image(self):
        dark = (_images(2, 96) * 0.2).astype(np.uint8)
        light = baselines.clahe(dark)
        for before, after in zip(dark, light):
            np.testing.assert_array_equal(after, equalised(before))


class RawPixelsTest(FilesTest):
    def test_exposure_and_the_colour_of_the_light_do_not_matter(self):
        images = _images()
        tinted = (images * np.array([0.9, 0.6, 0.4]) + 10).astype(np.uint8)
        first, second = baselines.raw_pixels(images), baselines.raw_pixels(tinted)
        self.assertEqual(first.shape, (3, 3072))
        np.testing.assert_allclose(np.linalg.norm(first, axis=1), 1, atol=1e-5)
        similarities = first @ second.T
        np.testing.assert_allclose(np.diag(similarities), 1, atol=1e-3)
        self.assertLess((similarities - np.diag(np.diag(similarities))).max(), 0.9)

    def test_a_picture_of_one_colour_is_zero(self):
        self.assertEqual(float(np.abs(baselines.raw_pixels(np.full((1, 40, 40, 3), 9, np.uint8))).max()), 0)


class ImageNetFeaturesTest(FilesTest):
    def test_mobilenet_from_a_weight_file(self):
        network = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(None, None, 3))
        network.save_weights(self.path("mobilenet.weights.h5"))
        found = baselines.ImageNetFeatures("mobilenet_v2", self.path("mobilenet.weights.h5"))(_images())
        self.assertEqual(found.shape, (3, 1280))
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
        maps = network(_images().astype(np.float32) / 127.5 - 1, training=False).numpy()
        pooled = np.maximum(maps, 1e-6) ** 3
        pooled = pooled.mean(axis=(1, 2)) ** (1 / 3)
        np.testing.assert_allclose(found, unit_vectors(pooled), atol=1e-4)

    def test_refuses_other_networks_and_missing_files(self):
        with self.assertRaisesRegex(ValueError, "must be one of .*Received: backbone='vgg19'"):
            baselines.ImageNetFeatures("vgg19", "")
        with self.assertRaisesRegex(FileNotFoundError, "`vgg16_weights` must be a file.*nothing.h5"):
            baselines.ImageNetFeatures("vgg16", "nothing.h5")
        with self.assertRaisesRegex(FileNotFoundError, "No such file: nothing.h5"):
            baselines.ImageNetFeatures("mobilenet_v2", "nothing.h5")

    def test_refuses_weights_that_are_not_of_vgg16(self):
        keras.Sequential([keras.layers.Dense(2, input_shape=(3,))]).save_weights(self.path("other.h5"))
        with self.assertRaisesRegex(ValueError, "weights of VGG-16 without its top. Received: .*other.h5"):
            baselines.ImageNetFeatures("vgg16", self.path("other.h5"))


class DelgFeaturesTest(FilesTest):
    def test_refuses_a_folder_without_a_saved_model(self):
        with self.assertRaisesRegex(FileNotFoundError, "No saved_model.pb"):
            baselines.DelgFeatures(self.directory)

    def test_is_the_mean_over_scales(self):
        class Model:
            def extract(self, image, scales, places, max_num_features, threshold):
                return {"global_descriptors": np.array([[2.0, 0], [0, 3.0], [0, 1.0]])[list(places)]}

        features = baselines.DelgFeatures.__new__(baselines.DelgFeatures)
        features._model = Model()
        np.testing.assert_allclose(features(_images(2)), [np.array([1, 2]) / 5**0.5] * 2, atol=1e-6)
