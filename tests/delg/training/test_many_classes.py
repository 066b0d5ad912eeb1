"""Classifiers whose classes are parted over replicas, in whole trainings."""

import contextlib
import dataclasses
import tempfile
import unittest
from unittest import mock

import numpy as np

from delg.fitting import callbacks
from delg.networks.delg import load_delg
from delg.settings.training import TrainConfig
from delg.training import loop
from tests.fixtures import model_dirs, replicas, tiny_shards, tiny_trainings


def setUpModule():
    global _folder, _base
    tiny_trainings.use()
    _folder = tempfile.TemporaryDirectory()
    tiny_shards.write_tiny_shards(_folder.name, num_classes=5)
    _base = TrainConfig(
        train_pattern=f"{_folder.name}/train-*", validation_pattern=f"{_folder.name}/validation-*",
        model_dir=f"{_folder.name}/full", backbone="resnet18", width=0.125, backbone_weights="none",
        image_size=32, batch_size=8, num_steps=4, steps_per_epoch=2, embedding_dim=8, autoencoder_dim=4,
        attention_dim=8, learning_rate=0.02, clip_norm=1.0, weight_decay=0.01, num_subcenters=2,
        rare_margin=0.2, seed=3)


def tearDownModule():
    _folder.cleanup()


def _changed(name, **changes):
    return dataclasses.replace(_base, model_dir=f"{_folder.name}/{name}", **changes)


def _train_one_epoch(config):
    """Leaves a training as one that is killed after its first checkpoint."""
    save = callbacks.Backup.on_epoch_end

    def save_and_end(self, epoch, logs=None):
        save(self, epoch, logs)
        raise InterruptedError

    with mock.patch.object(callbacks.Backup, "on_epoch_end", save_and_end), \
            contextlib.suppress(InterruptedError):
        loop.train(config)


class ShardedTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        loop.train(_base)

    def _assert_as_full(self, config):
        expected, found = (model_dirs.read_weights(each.model_dir) for each in (_base, config))
        self.assertEqual(set(found), set(expected))
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-5, err_msg=name)
        rows, found_rows = (model_dirs.read_history(each.model_dir) for each in (_base, config))
        for row, found_row in zip(rows, found_rows, strict=True):
            self.assertEqual(set(found_row), set(row))
            for name in ("loss", "val_loss", "global_cosines_accuracy", "val_attention_logits_accuracy"):
                self.assertAlmostEqual(float(found_row[name]), float(row[name]), places=3, msg=name)

    def test_one_replica_takes_the_steps_of_the_full_classifier(self):
        config = _changed("one", classifier="sharded")
        loop.train(config)
        self._assert_as_full(config)
        model, _ = load_delg(config.model_dir)
        self.assertEqual(model.get_layer("global_cosines").kernel.shape, (8, 10))

    def test_two_replicas_take_the_steps_of_the_full_classifier(self):
        self.assertEqual(replicas.two_replicas().num_replicas_in_sync, 2)
        config = _changed("two", classifier="sampled", negative_sample_rate=1.0, strategy="mirrored")
        loop.train(config)
        self._assert_as_full(config)

    def test_goes_on_with_another_number_of_replicas(self):
        config = _changed("moved", classifier="sharded", strategy="mirrored")
        _train_one_epoch(config)
        self.assertEqual(len(model_dirs.read_history(config.model_dir)), 1)
        loop.train(dataclasses.replace(config, strategy="one_device"))
        self._assert_as_full(config)


class SampledTest(unittest.TestCase):
    def test_a_resumed_run_draws_as_the_uninterrupted_one(self):
        config = _changed("sampled", classifier="sampled", negative_sample_rate=0.3, batch_size=2,
                          strategy="mirrored", optimizer="adam", validation_pattern="")
        resumed = dataclasses.replace(config, model_dir=f"{_folder.name}/resumed")
        loop.train(config)
        _train_one_epoch(resumed)
        loop.train(resumed)
        model_dirs.assert_same_weights(self, resumed.model_dir, config.model_dir, ("last",))


class SettingsTest(unittest.TestCase):
    def test_refuses_margins_beyond_a_right_angle(self):
        with self.assertRaisesRegex(ValueError, "`margin` and `rare_margin` .* Received: margin=0.1, rare_m"):
            _changed("far", rare_margin=1.5)

    def test_refuses_averages_and_tpus_with_parted_classes(self):
        with self.assertRaisesRegex(ValueError, "`ema_momentum` must be 0 .* classifier='sharded'"):
            _changed("averaged", classifier="sharded", ema_momentum=0.5)
        with self.assertRaisesRegex(ValueError, "`strategy=tpu` needs `classifier=full`.*'sampled'"):
            _changed("tpu", classifier="sampled", strategy="tpu")
