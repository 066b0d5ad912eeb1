import dataclasses
import json
import os
import shutil
import tempfile
import unittest
from unittest import mock

import numpy as np
import tensorflow as tf

from delg.fitting import resuming, strategies
from delg.networks import model_files
from delg.networks.delg import load_delg
from delg.settings.training import TrainConfig
from delg.training import head_starts, loop
from tests.fixtures import eager, model_dirs, replicas, tiny_shards, tiny_trainings


def setUpModule():
    global _folder, _base
    tiny_trainings.use()
    _folder = tempfile.TemporaryDirectory()
    tiny_shards.write_tiny_shards(_folder.name)
    _base = TrainConfig(
        train_pattern=f"{_folder.name}/train-*", validation_pattern=f"{_folder.name}/validation-*",
        heldout_pattern=f"{_folder.name}/heldout-*", model_dir=f"{_folder.name}/whole", backbone="resnet18",
        width=0.125, backbone_weights="none", image_size="24:0,32:5", batch_size=8, num_steps=8,
        steps_per_epoch=5, embedding_dim=8, autoencoder_dim=4, attention_dim=8, learning_rate=0.02,
        shuffle_buffer=16, whitening_init="pca", num_init_images=16, learn_gem_power=True, ema_momentum=0.7,
        average_with_start=0.3, distillation_weight=1.0, seed=3)


def tearDownModule():
    _folder.cleanup()


def _plain(config, name, **changes):
    """Settings of a short run without validation, that does not look back."""
    return dataclasses.replace(config, **{
        "model_dir": f"{_folder.name}/{name}", "validation_pattern": "", "heldout_pattern": "",
        "num_steps": 2, "image_size": 32, "whitening_init": "none", "ema_momentum": 0.0,
        "average_with_start": 0.0, "distillation_weight": 0.0, **changes})


class TrainTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.result = loop.train(_base)

    def test_files_of_a_finished_run(self):
        files = set(os.listdir(_base.model_dir))
        self.assertLessEqual({"config.json", "best.weights.h5", "last.weights.h5", "start.weights.h5",
                              "history.csv", "backup", "events"}, files)
        self.assertEqual([name for name in files if "tmp" in name], [])
        self.assertEqual(model_files.read_config(_base.model_dir), self.result)
        self.assertEqual(self.result["model"]["num_classes"], tiny_shards.NUM_CLASSES)
        self.assertEqual(TrainConfig(**self.result["train"]), dataclasses.replace(_base, local_stride=16))
        self.assertGreater(self.result["attention_threshold"], 0.0)

    def test_history_and_best_epoch(self):
        history = model_dirs.read_history(_base.model_dir)
        self.assertEqual([row["epoch"] for row in history], ["0", "1"])
        scores = [float(row["heldout_map"]) for row in history]
        self.assertAlmostEqual(self.result["best"]["heldout_map"], max(scores), places=6)
        self.assertEqual(self.result["best"]["epoch"], scores.index(max(scores)))
        self.assertIn("val_global_cosines_accuracy", history[0])

    def test_finished_run_is_left_alone(self):
        path = os.path.join(_base.model_dir, "last.weights.h5")
        before = os.stat(path).st_mtime_ns
        self.assertEqual(loop.train(_base), self.result)
        self.assertEqual(os.stat(path).st_mtime_ns, before)

    def test_refuses_to_resume_with_other_settings(self):
        with self.assertRaisesRegex(ValueError, "whole, learning_rate=0.02 then, 0.5 now"):
            loop.train(dataclasses.replace(_base, learning_rate=0.5))

    def test_refuses_validation_of_other_classes(self):
        other = os.path.join(_folder.name, "other")
        os.makedirs(other)
        tiny_shards.write_tiny_shards(other, num_classes=3)
        with self.assertRaisesRegex(ValueError, "`validation_pattern` .* Received: 3 classes against 4"):
            loop.train(dataclasses.replace(_base, validation_pattern=f"{other}/validation-*"))

    def test_refuses_a_pattern_without_shards(self):
        with self.assertRaisesRegex(FileNotFoundError, "No shard .* matches the pattern .*nothing"):
            loop.train(_plain(_base, "nothing", train_pattern=f"{_folder.name}/nothing-*"))

    def test_loss_that_is_no_number_ends_training_with_advice(self):
        config = _plain(_base, "diverged", learning_rate=1e30, clip_norm=0.0, num_steps=20)
        with self.assertRaisesRegex(ValueError, "Lower `learning_rate` .* Received: learning_rate=1e[+]30"):
            loop.train(config)
        self.assertFalse(os.path.exists(os.path.join(config.model_dir, "last.weights.h5")))

    def test_bfloat16_without_heldout_images_keeps_the_last_weights_as_best(self):
        config = _plain(_base, "mixed", mixed_precision="bfloat16", backbone_learning_rate_factor=0.1,
                        freeze_batch_norm=True, optimizer="adam")
        result = loop.train(config)
        best, last = (model_dirs.read_weights(config.model_dir, kind) for kind in ("best", "last"))
        for name in last:
            np.testing.assert_array_equal(best[name], last[name])
        self.assertIsNone(result["best"])
        shutil.rmtree(config.model_dir)

    def test_one_replica_and_two_take_the_same_steps(self):
        self.assertEqual(replicas.two_replicas().num_replicas_in_sync, 2)
        configs = [_plain(_base, strategy, strategy=strategy, backbone_learning_rate_factor=0.5)
                   for strategy in ("one_device", "mirrored")]
        results = [loop.train(config) for config in configs]
        one, two = (model_dirs.read_weights(config.model_dir) for config in configs)
        self.assertEqual(set(one), set(two))
        for name in one:
            np.testing.assert_allclose(two[name], one[name], rtol=1e-5, atol=1e-5, err_msg=name)
        load_delg(configs[1].model_dir)
        self.assertAlmostEqual(results[0]["attention_threshold"], results[1]["attention_threshold"], places=4)
        losses = [float(model_dirs.read_history(config.model_dir)[0]["loss"]) for config in configs]
        self.assertAlmostEqual(losses[0] / losses[1], 1.0, places=5)

    def test_replicas_may_keep_their_statistics_apart(self):
        self.assertEqual(replicas.two_replicas().num_replicas_in_sync, 2)
        together = _plain(_base, "together", strategy="mirrored", num_steps=1)
        found = []
        for config in (together, dataclasses.replace(together, model_dir=f"{_folder.name}/apart",
                                                     synchronized_batch_norm=False)):
            loop.train(config)
            values = {weight.name: weight.numpy() for weight in load_delg(config.model_dir)[0].weights}
            found.append([values[f"conv1_bn/moving_{name}:0"] for name in ("mean", "variance")])
        (mean, variance), (own_mean, own_variance) = found
        np.testing.assert_allclose(own_mean, mean, atol=1e-6)  # the mean of those of both replicas
        self.assertGreater(np.abs(own_variance - variance).max(), 1e-6)

    def test_refuses_parts_that_replicas_cannot_share(self):
        with self.assertRaisesRegex(ValueError, "times `accumulate_steps`. .* 2 replicas, accumulate_.*=8"):
            loop.train(_plain(_base, "parts", strategy="mirrored", accumulate_steps=8))

    def test_the_whitening_within_classes_is_learnt_from_parts_of_images(self):
        config = _plain(_base, "within", whitening_init="within_class", embedding_dim=16)
        model = loop.untrained_model(config)
        expected = loop.untrained_model(dataclasses.replace(config, whitening_init="identity"))
        batches = loop._training_batches(config, seed=config.seed + 1, min_crop_area=0.3)
        head_starts.initialise_within_class(expected, batches, config)
        found, by_hand = (each.get_layer("whitening").kernel.numpy() for each in (model, expected))
        np.testing.assert_allclose(found, by_hand, atol=1e-4)
        self.assertGreater(np.abs(found - np.eye(16)).max(), 1e-3)

    def test_refuses_a_batch_that_replicas_cannot_share(self):
        with self.assertRaisesRegex(ValueError, "`batch_size` must be a multiple .* batch_size=7, 2 "):
            loop.train(_plain(_base, "odd", strategy="mirrored", batch_size=7))

    def test_multi_worker_needs_addresses(self):
        with self.assertRaisesRegex(ValueError, "`strategy=multi_worker` needs .* TF_CONFIG"):
            loop.train(_plain(_base, "alone", strategy="multi_worker"))


class AveragesTest(unittest.TestCase):
    """Of one step the moving average at 0.5 lies halfway; the backbone then goes back by a quarter."""

    def test_by_hand(self):
        whole = _plain(_base, "whole_step", whitening_init="pca", num_steps=1)
        mixed = dataclasses.replace(whole, model_dir=f"{_folder.name}/mixed_step", ema_momentum=0.5,
                                    average_with_start=0.25)
        loop.train(whole)
        loop.train(mixed)
        end = model_dirs.read_weights(whole.model_dir)
        start, last, best = (model_dirs.read_weights(mixed.model_dir, kind)
                             for kind in ("start", "last", "best"))
        for name, value in last.items():
            np.testing.assert_array_equal(best[name], value)
            is_statistic = "batch_normalization" in name and name.endswith(("vars/2", "vars/3"))
            expected = end[name] if is_statistic else (start[name] + end[name]) / 2
            if name.startswith(("layers/functional/", "layers/dense/")):  # backbone, whitening
                expected = 0.75 * expected + 0.25 * start[name]
            np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-6, err_msg=name)


class ImageSizesTest(unittest.TestCase):
    def test_images_have_the_size_of_their_step(self):
        batches = loop._shared_batches(_base)
        for step, size in ((0, 24), (4, 24), (5, 32), (7, 32)):
            images, _ = next(iter(batches(step, 8, 0, 1)))
            self.assertEqual(images.shape, (8, size, size, 3))
        whole, _ = next(iter(loop._whole_images(_base, _base.heldout_pattern)))
        self.assertEqual(whole.shape[1:], (32, 32, 3))

    def test_the_model_trains_with_both(self):
        sizes = []
        fit = resuming.fit_to_last_step

        def recorded(trained, config, batches_from, *others):
            def batches(step):
                sizes.append((step, next(iter(batches_from(step)))[0].shape[1]))
                return batches_from(step)

            return fit(trained, config, batches, *others)

        with mock.patch.object(resuming, "fit_to_last_step", recorded):
            eager.eagerly(loop.train)(_plain(_base, "sizes", image_size="24:0,32:1", steps_per_epoch=1))
        self.assertEqual(sizes, [(0, 24), (1, 32)])


class WorkersTest(unittest.TestCase):
    def test_each_worker_reads_its_share_of_each_batch(self):  # two workers of two replicas: batches of 2
        strategy = mock.create_autospec(tf.distribute.MultiWorkerMirroredStrategy, instance=True)
        strategy.num_replicas_in_sync = 4
        with mock.patch.object(tf.distribute, "get_strategy", return_value=strategy):
            strategies.shared_batches(loop._shared_batches(_base), 3, _base.batch_size)
        of_worker, = strategy.distribute_datasets_from_function.call_args.args
        for index in range(2):
            found = of_worker(tf.distribute.InputContext(2, index, 4)).take(5)
            whole = loop._training_batches(_base, start_step=3).unbatch().batch(2)
            expected = [batch for number, batch in enumerate(whole.take(10)) if number // 2 % 2 == index]
            for (images, targets), (expected_images, labels) in zip(found, expected):
                np.testing.assert_array_equal(images, expected_images)
                np.testing.assert_array_equal(targets["global_cosines"], labels)


class KilledTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.whole = loop.train(_base)  # left alone where it is finished
        cls.config = dataclasses.replace(_base, model_dir=f"{_folder.name}/killed", backup_steps=2)
        model_dirs.kill_after_first_backup("delg.train", cls.config)

    def test_resumed_run_ends_like_the_uninterrupted_one(self):
        config = self.config
        with open(os.path.join(config.model_dir, "config.json"), encoding="utf-8") as file:
            self.assertIsNone(json.load(file)["attention_threshold"])  # it had not finished
        result = loop.train(config)
        model_dirs.assert_same_weights(self, config.model_dir, _base.model_dir, ("last", "best", "start"))
        self.assertAlmostEqual(result["attention_threshold"], self.whole["attention_threshold"], places=4)
        whole, resumed = (model_dirs.read_history(run.model_dir) for run in (_base, config))
        self.assertEqual(len(resumed), 2)
        for name in ("loss", "val_loss", "heldout_map"):  # the last epoch is whole in both
            self.assertAlmostEqual(float(whole[-1][name]) / float(resumed[-1][name]), 1.0, places=3)
