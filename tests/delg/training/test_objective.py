import dataclasses
import unittest

import keras
import numpy as np
import tensorflow as tf

from delg.networks.delg import build_delg
from delg.settings.model import ModelConfig
from delg.settings.training import TrainConfig
from delg.training.objective import compile_delg, freeze, with_targets
from tests.fixtures import tiny_backbone

_MODEL = ModelConfig(num_classes=4, backbone="resnet18", width=0.125, embedding_dim=6, autoencoder_dim=4,
                     attention_dim=8)
_TRAIN = TrainConfig("shards", "model_dir", backbone="resnet18", learning_rate=0.05, num_steps=10,
                     clip_norm=1.0, backbone_learning_rate_factor=0.5, weight_decay=0.01)


def _dataset(num_steps=2):
    generator = np.random.default_rng(0)
    images = generator.integers(0, 255, (4 * num_steps, 32, 32, 3), dtype=np.uint8)
    labels = generator.integers(0, 4, 4 * num_steps, dtype=np.int32)
    return with_targets(tf.data.Dataset.from_tensor_slices((images, labels)).batch(4, True), True)


def setUpModule():
    tiny_backbone.use()


class CompileDelgTest(unittest.TestCase):
    def test_total_is_the_weighted_sum_of_means_over_the_batch(self):
        part = compile_delg(build_delg(_MODEL), _TRAIN)
        logs = part.evaluate(_dataset(1), verbose=0, return_dict=True)
        total = (logs["global_cosines_loss"] + _TRAIN.attention_loss_weight * logs["attention_logits_loss"]
                 + _TRAIN.reconstruction_loss_weight * logs["reconstruction_error_loss"])
        self.assertAlmostEqual(logs["loss"] / total, 1.0, places=5)

    def test_the_step_is_traced_once(self):
        part = compile_delg(build_delg(_MODEL), _TRAIN)
        part.optimizer.build(part.trainable_variables)
        part.fit(_dataset(2), verbose=0)
        self.assertEqual(part.train_function.experimental_get_tracing_count(), 1)


class FreezeTest(unittest.TestCase):
    def _moved(self, **settings):
        config = dataclasses.replace(_TRAIN, **settings)
        model = build_delg(_MODEL)
        freeze(model, config)
        before = {weight.name: weight.numpy() for weight in model.weights}
        compile_delg(model, config).fit(_dataset(1), verbose=0)
        kept = {weight.name for weight in model.get_layer("backbone").weights}
        moved = {weight.name for weight in model.weights if np.any(weight.numpy() != before[weight.name])}
        return moved & kept, moved - kept

    def test_frozen_batch_norm_keeps_its_statistics(self):
        backbone, _ = self._moved(freeze_batch_norm=True)
        self.assertIn("conv1/kernel:0", backbone)
        self.assertEqual([name for name in backbone if "_bn" in name], [])

    def test_factor_zero_keeps_the_whole_backbone(self):
        backbone, heads = self._moved(backbone_learning_rate_factor=0.0)
        self.assertEqual(backbone, set())
        self.assertIn("whitening/kernel:0", heads)

    def test_factor_zero_keeps_a_whitening_that_was_given_values(self):
        _, heads = self._moved(backbone_learning_rate_factor=0.0, whitening_init="pca")
        self.assertNotIn("whitening/kernel:0", heads)
        self.assertIn("encoder/kernel:0", heads)


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
