import unittest

import keras
import numpy as np
import tensorflow as tf

from delg.config import ModelConfig, TrainConfig
from delg.model import build_delg
from delg.objective import compile_delg, freeze_backbone, with_targets

_MODEL = ModelConfig(num_classes=4, backbone="resnet18", width=0.125, embedding_dim=6, autoencoder_dim=4,
                     attention_dim=8)
_TRAIN = TrainConfig("shards", "model_dir", backbone="resnet18", learning_rate=0.05, num_steps=10,
                     clip_norm=1.0, backbone_learning_rate_factor=0.5, weight_decay=0.01)


def _dataset(num_steps=2):
    generator = np.random.default_rng(0)
    images = generator.integers(0, 255, (8 * num_steps, 32, 32, 3), dtype=np.uint8)
    labels = generator.integers(0, 4, 8 * num_steps, dtype=np.int32)
    return with_targets(tf.data.Dataset.from_tensor_slices((images, labels)).batch(8, True), True)


class CompileDelgTest(unittest.TestCase):
    def test_total_is_the_weighted_sum_of_means_over_the_batch(self):
        part = compile_delg(build_delg(_MODEL), _TRAIN)
        logs = part.evaluate(_dataset(1), verbose=0, return_dict=True)
        total = (logs["global_cosines_loss"] + _TRAIN.attention_loss_weight * logs["attention_logits_loss"]
                 + _TRAIN.reconstruction_loss_weight * logs["reconstruction_error_loss"])
        self.assertAlmostEqual(logs["loss"] / total, 1.0, places=5)


class FreezeBackboneTest(unittest.TestCase):
    def _fit(self, whole):
        model = build_delg(_MODEL)
        freeze_backbone(model, whole)
        backbone = model.get_layer("backbone")
        before = {weight.name: weight.numpy() for weight in backbone.weights}
        part = compile_delg(model, _TRAIN)
        part.fit(_dataset(1), verbose=0)
        return {weight.name for weight in backbone.weights if np.any(weight.numpy() != before[weight.name])}

    def test_frozen_batch_norm_keeps_its_statistics(self):
        moved = self._fit(whole=False)
        self.assertIn("conv1/kernel:0", moved)
        self.assertEqual([name for name in moved if "_bn" in name], [])

    def test_frozen_backbone_keeps_everything(self):
        self.assertEqual(self._fit(whole=True), set())


class MixedPrecisionTest(unittest.TestCase):
    def test_float16_scales_its_loss(self):
        keras.mixed_precision.set_global_policy("mixed_float16")
        try:
            part = compile_delg(build_delg(_MODEL), _TRAIN)
            logs = part.fit(_dataset(1), verbose=0).history
        finally:
            keras.mixed_precision.set_global_policy("float32")
        self.assertIsInstance(part.optimizer, keras.mixed_precision.LossScaleOptimizer)
        self.assertTrue(np.isfinite(logs["loss"][0]))
