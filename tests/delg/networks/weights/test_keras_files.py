import os
import tempfile
import unittest

import h5py
import keras
import numpy as np

from delg.networks.backbone import load_weights
from delg.networks.backbones.resnet18 import build_resnet18
from delg.networks.weights.keras_files import load_backbone_weights

_WIDTH = 0.0625


def _folded_resnet18(channels):
    """ResNet-18 up to conv4 whose convolutions have biases and no normalisation."""
    def convolution(maps, count, size, stride):
        if size > 1:
            maps = keras.layers.ZeroPadding2D(size // 2)(maps)
        return keras.layers.Conv2D(count, size, stride, bias_initializer="random_normal")(maps)

    images = keras.Input((None, None, 3))
    maps = keras.layers.ReLU()(convolution(images, channels[0], 7, 2))
    maps = keras.layers.MaxPooling2D(3, 2)(keras.layers.ZeroPadding2D(1)(maps))
    for stage, count in enumerate(channels):
        for block in range(2):
            stride = 2 if stage and not block else 1
            shortcut = convolution(maps, count, 1, stride) if stride > 1 else maps
            inner = keras.layers.ReLU()(convolution(maps, count, 3, stride))
            maps = keras.layers.ReLU()(keras.layers.Add()([shortcut, convolution(inner, count, 3, 1)]))
    return keras.Model(images, maps)


def _randomised(model, seed):
    generator = np.random.default_rng(seed)
    model.set_weights([generator.uniform(0.1, 0.5, weight.shape) for weight in model.get_weights()])
    return model


class LoadBackboneWeightsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "backbone.weights.h5")
        self.images = np.random.default_rng(0).uniform(-1, 1, (1, 48, 64, 3)).astype(np.float32)

    def test_folded_normalisation_gives_the_same_maps(self):
        folded = _folded_resnet18((4, 8, 16))
        folded.save_weights(self.path)
        model = build_resnet18(_WIDTH)
        deep = model.get_layer("layer4_0_conv1").get_weights()[0]
        load_weights(model, "resnet18", self.path)
        maps = keras.Model(model.input, model.get_layer("layer3_1_out").output)(self.images)
        np.testing.assert_allclose(maps, folded(self.images), rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(model.get_layer("layer4_0_conv1").get_weights()[0], deep)

    def test_both_keras_formats(self):
        saved = _randomised(build_resnet18(_WIDTH), 1)
        for path in (self.path, self.path.replace(".weights.h5", "_notop.h5")):
            saved.save_weights(path)
            model = build_resnet18(_WIDTH)
            load_weights(model, "resnet18", path)
            for expected, found in zip(saved.get_weights(), model.get_weights()):
                np.testing.assert_array_equal(found, expected)

    def test_names_layer_and_shapes_that_differ_and_changes_nothing(self):
        build_resnet18(2 * _WIDTH).save_weights(self.path)
        model = build_resnet18(_WIDTH)
        before = model.get_weights()
        with self.assertRaisesRegex(ValueError, r"weights.h5 does not fit layer 'conv1' of resnet18. "
                                    r"Expected shapes: \[\(7, 7, 3, 4\)\]. Found: \[\(7, 7, 3, 8\)\]"):
            load_weights(model, "resnet18", self.path)
        for expected, found in zip(before, model.get_weights()):
            np.testing.assert_array_equal(found, expected)

    def test_names_missing_layer(self):
        build_resnet18(_WIDTH).save_weights(self.path)
        with h5py.File(self.path, "a") as file:
            del file["layers"]["conv2d_19"]
        with self.assertRaisesRegex(ValueError, "lacks layer 'layer4_1_conv2' of resnet18"):
            load_weights(build_resnet18(_WIDTH), "resnet18", self.path)

    def test_refuses_folded_weights_for_others(self):
        _folded_resnet18((4, 8, 16)).save_weights(self.path)
        other = keras.Sequential([keras.layers.Conv2D(4, 7, input_shape=(8, 8, 3))], name="other")
        with self.assertRaisesRegex(ValueError, "has no batch normalisation, which only resnet18 accepts"):
            load_backbone_weights(other, self.path)

    def test_reads_nothing_whose_shape_does_not_fit(self):
        """A weight may claim gigabytes in a file of kilobytes, CVE-2026-0897, or lie in another file."""
        model = build_resnet18(_WIDTH)
        for name, message in (("large", "bytes, in a file of few"), ("other", r"does not fit layer 'conv1'"),
                              ("outside", "values lie in other files"), ("link", "a link")):
            model.save_weights(self.path)
            with h5py.File(self.path, "a") as file, self.subTest(name):
                weights = file["layers/conv2d/vars"]
                del weights["0"]
                if name == "large":
                    weights.create_dataset("0", (7, 7, 3, 2**30), chunks=(7, 7, 3, 2**10), compression="gzip")
                elif name == "other":
                    weights.create_dataset("0", (7, 7, 3, 8))
                elif name == "outside":
                    weights.create_dataset("0", (7, 7, 3, 4), external=[("/dev/zero", 0, 2352)])
                else:
                    weights["0"] = h5py.ExternalLink("other.h5", "/x")
            with self.assertRaisesRegex(ValueError, f"{self.path} .*{message}"):
                load_weights(model, "resnet18", self.path)

    def test_refuses_missing_file(self):
        with self.assertRaisesRegex(FileNotFoundError, "package, none or a file. No such file: nowhere.h5"):
            load_weights(build_resnet18(_WIDTH), "resnet18", "nowhere.h5")

    def test_refuses_other_formats(self):
        with open(self.path, "w", encoding="utf-8") as file:
            file.write("no weights")
        with self.assertRaisesRegex(ValueError, "must be in HDF5 format"):
            load_weights(build_resnet18(_WIDTH), "resnet18", self.path)

    def test_refuses_hdf5_without_layers(self):
        with h5py.File(self.path, "w") as file:
            file["features"] = np.zeros(3)
        with self.assertRaisesRegex(ValueError, r"must hold Keras layers. Found keys: \['features'\]"):
            load_weights(build_resnet18(_WIDTH), "resnet18", self.path)
