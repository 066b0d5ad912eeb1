import dataclasses
import unittest

import keras
import numpy as np
import tensorflow as tf

from delg.networks.backbone import freeze_batch_norm
from delg.networks.delg import build_delg
from delg.settings.model import ModelConfig
from delg.settings.training import TrainConfig
from delg.training.objective import compile_delg, with_targets
from tests.fixtures import eager, tiny_backbone

_MODEL = ModelConfig(num_classes=5, backbone="resnet18", width=0.125, embedding_dim=6, autoencoder_dim=4,
                     attention_dim=8)
_TRAIN = TrainConfig("shards", "model_dir", backbone="resnet18", learning_rate=0.05, batch_size=8,
                     num_steps=10, clip_norm=1.0, weight_decay=0.01, ema_momentum=0.5)


def setUpModule():
    tiny_backbone.use()
    eager.run_eagerly()


class PartedBatchesTest(unittest.TestCase):
    def _after_two_steps(self, **settings):
        """Weights, the loss of each step and the averages of a training without BatchNorm of batches."""
        config = dataclasses.replace(_TRAIN, **settings)
        keras.utils.set_random_seed(0)
        model = build_delg(_MODEL, by_rows=config.classifier != "full")
        freeze_batch_norm(model.get_layer("backbone"))
        model.get_layer("attention_bn").trainable = False
        part = compile_delg(model, config)
        generator = np.random.default_rng(0)
        images = generator.integers(0, 255, (16, 32, 32, 3), dtype=np.uint8)
        labels = generator.integers(0, 5, 16, dtype=np.int32)
        batches = tf.data.Dataset.from_tensor_slices((images, labels)).batch(8, True)
        history = part.fit(with_targets(batches, config), verbose=0).history
        self.assertEqual(int(part.optimizer.iterations), 2)
        averages = [part.optimizer.average_of(weight).numpy() for weight in part.trainable_variables
                    ] if config.ema_momentum else []
        return [weight.numpy() for weight in model.weights] + averages, history

    def _assert_equal(self, **settings):
        (expected, whole), (found, parted) = (self._after_two_steps(accumulate_steps=parts, **settings)
                                              for parts in (1, 2))
        for value, by_parts in zip(expected, found, strict=True):
            np.testing.assert_allclose(by_parts, value, rtol=1e-4, atol=1e-6)
        self.assertEqual(set(parted), set(whole))
        for name, (value,) in whole.items():
            self.assertAlmostEqual(parted[name][0] / max(value, 1e-9), value / max(value, 1e-9), 5, name)

    def test_two_parts_of_four_images_take_the_steps_of_batches_of_eight(self):
        self._assert_equal()

    def test_gradients_of_some_rows_are_summed_by_row(self):
        self._assert_equal(classifier="sampled", negative_sample_rate=0.99, ema_momentum=0.0)

    def test_refuses_parts_that_a_batch_has_not(self):
        with self.assertRaisesRegex(ValueError, "multiple of `accumulate_steps`.*batch_size=8, accumu"):
            dataclasses.replace(_TRAIN, accumulate_steps=3)
