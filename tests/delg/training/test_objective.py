import dataclasses
import unittest

import keras
import numpy as np
import tensorflow as tf

from delg.networks.delg import build_delg
from delg.settings.model import ModelConfig
from delg.settings.training import TrainConfig
from delg.training.objective import compile_delg, freeze, with_targets
from tests.fixtures import eager, tiny_backbone

_MODEL = ModelConfig(num_classes=4, backbone="resnet18", width=0.125, embedding_dim=6, autoencoder_dim=4,
                     attention_dim=8)
_TRAIN = TrainConfig("shards", "model_dir", backbone="resnet18", learning_rate=0.05, num_steps=10,
                     clip_norm=1.0, backbone_learning_rate_factor=0.5, weight_decay=0.01)


def _dataset(num_steps=2, config=_TRAIN):
    generator = np.random.default_rng(0)
    images = generator.integers(0, 255, (4 * num_steps, 32, 32, 3), dtype=np.uint8)
    labels = generator.integers(0, 4, 4 * num_steps, dtype=np.int32)
    return with_targets(tf.data.Dataset.from_tensor_slices((images, labels)).batch(4, True), config)


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


class OptimizerTest(unittest.TestCase):
    def test_the_rate_grows_with_the_batch(self):  # 0.05 * 64 / 16
        config = dataclasses.replace(_TRAIN, batch_size=64, learning_rate_batch_size=16)
        rate = compile_delg(build_delg(_MODEL), config).optimizer.learning_rate
        self.assertAlmostEqual(float(rate), 0.2, places=6)

    def test_several_steps_at_once_are_the_same_steps(self):
        weights = []
        for count in (1, 2):
            keras.utils.set_random_seed(0)
            model = build_delg(_MODEL)
            part = compile_delg(model, dataclasses.replace(_TRAIN, steps_per_execution=count))
            calls = []
            fit = part.fit if count > 1 else eager.eagerly(part.fit)
            fit(_dataset(3), verbose=0, steps_per_epoch=3, callbacks=[keras.callbacks.LambdaCallback(
                on_train_batch_end=lambda batch, _, calls=calls: calls.append(batch))])
            self.assertEqual(int(part.optimizer.iterations), 3)
            self.assertEqual(calls, {1: [0, 1, 2], 2: [1, 2]}[count])
            weights.append(model.get_weights())
        for one, other in zip(*weights):
            np.testing.assert_allclose(other, one, rtol=1e-5, atol=1e-6)


class DistillationTest(unittest.TestCase):
    def test_the_loss_is_the_cosine_distance_from_the_start(self):
        config = dataclasses.replace(_TRAIN, distillation_weight=3.0)
        keras.utils.set_random_seed(0)
        start, model = build_delg(_MODEL), build_delg(_MODEL)
        part = compile_delg(model, config, start)
        self.assertEqual({weight.name for weight in part.trainable_weights},
                         {weight.name for weight in model.trainable_weights})
        dataset = _dataset(1, config)
        (images, _), = dataset
        found, expected = (each(images)["global_descriptor"].numpy() for each in (model, start))
        by_hand = np.mean([1 - found[image] @ expected[image] for image in range(4)])
        self.assertGreater(by_hand, 0.01)
        logs = part.evaluate(dataset, verbose=0, return_dict=True)
        self.assertAlmostEqual(logs["descriptor_change_loss"], by_hand, places=5)
        others = sum(logs[f"{name}_loss"] for name in ("global_cosines", "attention_logits"))
        others += _TRAIN.reconstruction_loss_weight * logs["reconstruction_error_loss"]
        self.assertAlmostEqual(logs["loss"], others + 3.0 * logs["descriptor_change_loss"], places=4)

    def test_a_step_leaves_the_start_alone_and_moves_the_model(self):
        config = dataclasses.replace(_TRAIN, distillation_weight=3.0)
        start, model = build_delg(_MODEL), build_delg(_MODEL)
        before = start.get_weights(), model.get_weights()
        compile_delg(model, config, start).fit(_dataset(1, config), verbose=0)
        for weight, value in zip(start.get_weights(), before[0]):
            np.testing.assert_array_equal(weight, value)
        moved = {weight.name.split("/")[0] for weight, value in zip(model.weights, before[1])
                 if np.any(weight.numpy() != value)}
        self.assertLessEqual({"whitening", "global_cosines", "conv1"}, moved)


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
