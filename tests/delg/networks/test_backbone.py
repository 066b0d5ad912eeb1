import dataclasses
import functools
import sys
import unittest
from unittest import mock

import keras
import numpy as np

from delg.networks import backbone
from delg.networks.backbones.resnet18 import build_resnet18
from delg.networks.backbones.vit import build_vit
from delg.networks.layers import ImageNormalization
from delg.networks.replica_batch_norm import BatchNormalization
from delg.settings.kinds import BACKBONES
from tests.fixtures.fields import check_field

_GREY = {"resnet50": (123.68, 116.779, 103.939), "resnet101": (123.68, 116.779, 103.939),
         "mobilenet_v2": (127.5, 127.5, 127.5),
         "efficientnet_lite0": (127.0, 127.0, 127.0), "resnet18": (123.675, 116.28, 103.53)}  # becomes zero


@functools.cache
def _backbone(name, width=1.0, local_stride=16):
    """With random weights, which stay as they are."""
    return backbone.build_backbone(name, width, "none", local_stride)


def _make_positive(model):
    """All kernels positive, biases zero: a pixel that is seen cannot go unnoticed."""
    generator = np.random.default_rng(0)
    for layer in model._flatten_layers(include_self=False, recursive=True):
        if isinstance(layer, keras.layers.Conv2D):
            kernel = generator.uniform(0.5, 1.5, layer.kernel_size + tuple(layer.get_weights()[0].shape[2:]))
            kernel /= kernel.sum(axis=(0, 1, 2), keepdims=True)
            layer.set_weights([kernel] + [np.zeros_like(weight) for weight in layer.get_weights()[1:]])


def _sees(model, name, cell, width, columns):
    """Whether cell [0, cell] of the local map changes when one of the given image columns does."""
    images = np.tile(np.float32(_GREY[name]), (1 + len(columns), 17, width, 1))
    for number, column in enumerate(columns, start=1):
        images[number, :, column] += 50
    cells = model(images)["local"].numpy()[:, 0, cell]
    return [bool(np.any(changed != cells[0])) for changed in cells[1:]]


class ReceptiveFieldTest(unittest.TestCase):
    def _check(self, name, width=1.0, local_stride=16, odd=1):
        size, stride, padding = backbone.receptive_field(name, local_stride)
        model = _backbone(name, width, local_stride)
        self.addCleanup(model.set_weights, model.get_weights())
        _make_positive(model)
        cell = padding // stride + 1  # the first whose whole field lies inside the image
        start = stride * cell - padding
        for columns in (start + size + 40, start + size + 40 + odd):
            ends = (start - 1, start, start + size - 1, start + size)
            self.assertEqual(_sees(model, name, cell, columns, ends), [False, True, True, False])

    def test_imagenet_weights_without_a_network_are_one_line_with_the_way_out(self):
        with mock.patch.object(keras.utils, "get_file", side_effect=Exception("URL fetch failure")), \
                self.assertRaisesRegex(OSError, "of resnet50 could not .* `backbone_weights` a .*, or none"):
            backbone.build_network("resnet50", weights="imagenet")

    def test_resnet18(self):
        self._check("resnet18", width=0.125)

    def test_resnet18_of_stride_32(self):
        self._check("resnet18", width=0.125, local_stride=32)

    def test_mobilenet_v2_of_even_and_odd_sides(self):
        self._check("mobilenet_v2")

    def test_efficientnet_lite_of_even_and_odd_sides(self):
        self._check("efficientnet_lite0")

    def test_resnet50(self):
        self._check("resnet50")

    def test_resnet101_has_17_more_blocks_at_stride_16(self):  # each adds 2 * 16 pixels
        size, stride, padding = backbone.receptive_field("resnet50")
        self.assertEqual(backbone.receptive_field("resnet101"), (size + 17 * 32, stride, padding + 17 * 16))

    def test_efficientnetv2_b0(self):
        model = _backbone("efficientnetv2_b0")
        for layer in model.get_layer("efficientnetv2_b0").layers:
            if layer.name.endswith("se_expand"):  # the weights of channels see the whole map
                layer.set_weights([np.zeros_like(weight) for weight in layer.get_weights()])
        check_field(self, model, "local", backbone.receptive_field("efficientnetv2_b0"))

    def test_centres_of_residual_networks_are_multiples_of_the_stride(self):
        for name in ("resnet18", "resnet50", "resnet101"):
            size, _, padding = backbone.receptive_field(name)
            self.assertEqual((size - 1) / 2 - padding, 0.0)


class BuildBackboneTest(unittest.TestCase):
    def test_shapes_of_maps(self):
        images = np.zeros([1, 96, 65, 3], np.uint8)
        for name, width, channels in (("resnet18", 0.25, (64, 128)), ("mobilenet_v2", 1.0, (576, 1280))):
            maps = _backbone(name, width)(images)
            self.assertEqual(maps["local"].shape[:2], (1, 6))
            self.assertEqual(maps["global"].shape[:2], (1, 3))
            self.assertEqual((maps["local"].shape[3], maps["global"].shape[3]), channels)

    def test_local_stride_of_32_keeps_every_second_cell_and_the_global_map(self):
        images = np.random.default_rng(0).integers(0, 255, (1, 96, 96, 3))
        fine = _backbone("resnet18", 0.125)
        coarse = backbone.build_backbone("resnet18", 0.125, "none", local_stride=32)
        coarse.set_weights(fine.get_weights())
        np.testing.assert_allclose(coarse(images)["local"], fine(images)["local"][:, ::2, ::2])
        np.testing.assert_allclose(coarse(images)["global"], fine(images)["global"])

    def test_uint8_and_float_images_give_the_same(self):
        model = _backbone("resnet18", 0.125)
        images = np.random.default_rng(0).integers(0, 255, (1, 32, 32, 3), dtype=np.uint8)
        np.testing.assert_array_equal(model(images)["global"], model(images.astype(np.float32))["global"])

    def test_mobilenet_equals_keras_applications(self):
        model = _backbone("mobilenet_v2")
        original = keras.applications.MobileNetV2(include_top=False, weights=None,
                                                      input_shape=(None, None, 3))
        original.set_weights(model.get_weights())
        images = np.random.default_rng(0).integers(0, 255, (1, 64, 64, 3)).astype(np.float32)
        expected = original(keras.applications.mobilenet_v2.preprocess_input(images.copy()))
        np.testing.assert_allclose(model(images)["global"], expected, rtol=1e-4, atol=1e-5)

    def test_efficientnetv2_b0_with_its_preprocessing_equals_keras_applications(self):
        model = _backbone("efficientnetv2_b0")
        original = keras.applications.EfficientNetV2B0(include_top=False, weights=None,
                                                       input_shape=(None, None, 3))
        original.set_weights(model.get_weights())
        images = np.random.default_rng(0).integers(0, 255, (1, 64, 64, 3)).astype(np.float32)
        np.testing.assert_allclose(model(images)["global"], original(images), atol=1e-4)

    def test_efficientnetv2_s_takes_colours_from_minus_1_to_1(self):
        colours = BACKBONES["efficientnetv2_s"].colours
        ends = ImageNormalization(*dataclasses.astuple(colours))(np.float32([[[[0, 128, 256]]]]))
        np.testing.assert_array_equal(ends, [[[[-1, 0, 1]]]])

    def test_resnet50_preprocesses_as_keras_applications(self):
        model = keras.Model(*(lambda model: (model.input, model.get_layer("normalization").output))(
            _backbone("resnet50")))
        images = np.random.default_rng(0).integers(0, 255, (1, 4, 4, 3)).astype(np.float32)
        np.testing.assert_allclose(model(images), keras.applications.resnet.preprocess_input(images.copy()),
                                   atol=1e-4)

    def test_synchronized_batch_norm_changes_no_output(self):
        images = np.random.default_rng(0).integers(0, 255, (2, 32, 32, 3))
        plain = _backbone("resnet18", 0.125)
        shared = backbone.build_backbone("resnet18", 0.125, "none", synchronized=True)
        shared.set_weights(plain.get_weights())
        np.testing.assert_allclose(shared(images)["global"], plain(images)["global"], atol=1e-5)
        others = backbone.build_backbone("mobilenet_v2", weights="none", synchronized=True)
        for network in (shared.get_layer("resnet18"), others.get_layer("mobilenet_v2")):
            found = {type(layer) for layer in network.layers if "BatchNorm" in type(layer).__name__}
            self.assertEqual(found, {BatchNormalization})

    def test_width_counts_channels(self):
        self.assertEqual(build_resnet18(0.5).output.shape[-1], 256)

    def test_refuses_unknown_name(self):
        with self.assertRaisesRegex(ValueError, "`backbone` must be one of resnet50, .* backbone='vgg'"):
            backbone.build_backbone("vgg")

    def test_gives_one_vector_per_image_where_the_network_has_no_maps(self):
        record = backbone.Backbone(lambda _width, image_size, _batch_norm: build_vit(
            16, image_size, width=8, depth=1, num_heads=2, mlp_dim=8))
        with mock.patch.dict(sys.modules, tiny_vit=mock.Mock(RECORD=record)), \
                mock.patch.dict(BACKBONES.places, tiny_vit="tiny_vit:RECORD"):
            model = backbone.build_backbone("tiny_vit", weights="none", image_size=32)
        self.assertEqual((model.name, model.output_shape), ("backbone", (None, 8)))

    def test_refuses_width_of_others(self):
        with self.assertRaisesRegex(ValueError, "`width` must be .* 1.0 for every backbone but resnet18"):
            backbone.build_backbone("mobilenet_v2", width=0.5, weights="none")

    def test_says_that_resnet18_has_no_published_weights(self):
        with self.assertRaisesRegex(ValueError, "of resnet18 must be none or a weight file; Keras "
                                    "has weights of resnet50, .*, efficientnetv2_s. Received: .*imagenet"):
            backbone.build_backbone("resnet18", weights="imagenet")
