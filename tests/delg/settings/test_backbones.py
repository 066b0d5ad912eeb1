import subprocess
import sys
import unittest

from delg.settings.model import ModelConfig
from delg.settings.untrained import UntrainedConfig


class BackboneChecksTest(unittest.TestCase):
    def test_a_head_needs_maps(self):
        with self.assertRaisesRegex(ValueError, "`backbone` must be one with feature maps: one of resnet50, "
                                    "resnet101, .*dinov2_vits14, .* resnet18. Received: backbone='vit_b16'"):
            ModelConfig(num_classes=3, backbone="vit_b16")

    def test_width_is_positive_and_1_but_for_some(self):
        ModelConfig(num_classes=3, backbone="resnet18", width=0.5)
        for name, width in (("mobilenet_v2", 0.5), ("resnet18", 0.0)):
            with self.assertRaisesRegex(ValueError, "positive, and 1.0 for every backbone but resnet18. "
                                        f"Received: width={width}, backbone='{name}'"):
                ModelConfig(num_classes=3, backbone=name, width=width)

    def test_a_class_token_is_pooled_where_there_is_one(self):
        ModelConfig(num_classes=3, backbone="dinov2_vits14", global_pooling="cls_gem")
        message = ("`global_pooling=cls_gem` needs a backbone with a class token: one of dinov2_vits14, .* "
                   "Received: backbone='efficientnet_lite2'")
        with self.assertRaisesRegex(ValueError, message):
            UntrainedConfig(global_pooling="cls_gem")

    def test_names_cost_no_tensorflow(self):
        code = ("import sys, delg.settings.kinds, delg.settings.model, delg.settings.training, "
                "hashing.training.config, vae.training.config; "
                "hashing.training.config.TrainConfig('shards', 'model'); "
                "vae.training.config.TrainConfig('shards', 'model'); "
                "sys.exit('tensorflow' in sys.modules)")
        self.assertEqual(subprocess.run([sys.executable, "-c", code], check=False).returncode, 0)
