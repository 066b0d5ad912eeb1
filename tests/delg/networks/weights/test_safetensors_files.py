import os
import tempfile
import unittest

import numpy as np
import safetensors.numpy

from delg.networks.backbone import build_backbone, load_weights
from delg.networks.backbones.resnet18 import build_resnet18

_WIDTH = 1 / 16  # 4, 8, 16 and 32 channels


def _published(without=()):
    """Tensors of a narrow ResNet-18 under the names torchvision gives them."""
    generator = np.random.default_rng(0)
    shapes = {"conv1": (4, 3, 7, 7), "bn1": 4, "fc": None}
    channels = (4, 8, 16, 32)
    for stage, count in enumerate(channels, start=1):
        before = channels[max(stage - 2, 0)]
        for block in range(2):
            name = f"layer{stage}.{block}"
            shapes[f"{name}.conv1"] = (count, before if block == 0 else count, 3, 3)
            shapes[f"{name}.conv2"] = (count, count, 3, 3)
            shapes[f"{name}.bn1"] = shapes[f"{name}.bn2"] = count
        if stage > 1:
            shapes[f"layer{stage}.0.downsample.0"] = (count, before, 1, 1)
            shapes[f"layer{stage}.0.downsample.1"] = count
    tensors = {"fc.weight": np.zeros((10, 32), np.float32)}
    for name, shape in shapes.items():
        if isinstance(shape, tuple):
            tensors[f"{name}.weight"] = generator.normal(size=shape).astype(np.float32)
        elif shape is not None:
            for part in ("weight", "bias", "running_mean", "running_var"):
                tensors[f"{name}.{part}"] = generator.uniform(0.5, 1, shape).astype(np.float32)
    return {name: tensor for name, tensor in tensors.items() if name not in without}


class SafetensorsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "resnet18.safetensors")

    def test_each_tensor_reaches_its_layer(self):
        tensors = _published()
        safetensors.numpy.save_file(tensors, self.path)
        model = build_resnet18(_WIDTH)
        load_weights(model, "resnet18", self.path)
        kernel = tensors["layer3.0.conv2.weight"]
        found = model.get_layer("layer3_0_conv2").get_weights()[0]
        self.assertEqual(found[1, 2, 3, 4], kernel[4, 3, 1, 2])
        for ours, theirs in (("layer2_1_conv1_bn", "layer2.1.bn1"), ("conv1_bn", "bn1"),
                             ("layer4_0_downsample_0_bn", "layer4.0.downsample.1")):
            for part, value in zip(("weight", "bias", "running_mean", "running_var"),
                                   model.get_layer(ours).get_weights()):
                np.testing.assert_array_equal(value, tensors[f"{theirs}.{part}"])

    def test_a_missing_tensor_is_named(self):
        safetensors.numpy.save_file(_published(without=("layer2.0.bn2.running_var",)), self.path)
        with self.assertRaisesRegex(ValueError, "lacks the tensor layer2.0.bn2.running_var of resnet18"):
            load_weights(build_resnet18(_WIDTH), "resnet18", self.path)

    def test_another_width_does_not_fit(self):
        safetensors.numpy.save_file(_published(), self.path)
        with self.assertRaisesRegex(ValueError, "does not fit layer 'conv1' of resnet18"):
            load_weights(build_resnet18(_WIDTH * 2), "resnet18", self.path)

    def test_a_damaged_file_is_refused(self):
        safetensors.numpy.save_file(_published(), self.path)
        with open(self.path, "r+b") as file:
            file.truncate(5000)
        with self.assertRaisesRegex(ValueError, "must be in safetensors format"):
            load_weights(build_resnet18(_WIDTH), "resnet18", self.path)

    def test_only_resnet18_reads_them(self):
        safetensors.numpy.save_file(_published(), self.path)
        with self.assertRaisesRegex(ValueError, "only dinov2_vits14, .* resnet18 accepts. .* mobilenet"):
            build_backbone("mobilenet_v2", weights=self.path)


if __name__ == "__main__":
    unittest.main()
