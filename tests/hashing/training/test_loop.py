import dataclasses
import json
import os
import tempfile
import unittest
from unittest import mock

import keras
import numpy as np

from data_prep.stage.stored_settings import from_stored
from delg.fitting import strategies
from delg.networks import model_files
from hashing.codes import baselines
from hashing.networks import model_dir
from hashing.networks.model import build_hashing
from hashing.training import last_layers, loop
from hashing.training.config import TrainConfig, preset
from tests.fixtures import model_dirs, replicas, tiny_backbone, tiny_shards


def setUpModule():
    global _folder, _base
    tiny_backbone.use()
    _folder = tempfile.TemporaryDirectory()
    tiny_shards.write_tiny_shards(_folder.name)
    _base = TrainConfig(
        train_pattern=f"{_folder.name}/train-*", validation_pattern=f"{_folder.name}/validation-*",
        model_dir=f"{_folder.name}/whole", width=0.125, backbone_weights="none", image_size=32, code_size=16,
        code_batch_norm=True, center_weight=1.0, active_only=True, mirrored=True, quantization_weight=0.1,
        batch_size=8, images_per_class=2, num_steps=8, steps_per_epoch=5, learning_rate=0.01,
        schedule="cosine", warmup_steps=2, seed=3)


def tearDownModule():
    _folder.cleanup()


class TrainTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.result = loop.train(_base)

    def test_learns_and_keeps_the_best_weights(self):
        history = model_dirs.read_history(_base.model_dir)
        self.assertEqual([row["epoch"] for row in history], ["0", "1"])
        self.assertLess(float(history[-1]["loss"]), float(history[0]["loss"]))
        scores = [float(row["validation_map"]) for row in history]
        self.assertAlmostEqual(self.result["best"]["validation_map"], max(scores), places=6)
        self.assertEqual(model_files.read_config(_base.model_dir), self.result)
        self.assertEqual(from_stored(TrainConfig, self.result["train"], "config.json"), _base)

    def test_killed_and_resumed_run_ends_like_the_uninterrupted_one(self):
        config = dataclasses.replace(_base, model_dir=f"{_folder.name}/killed", backup_steps=2)
        model_dirs.kill_after_first_backup("hashing.train", config, preset="paper2019")
        self.assertFalse(os.path.exists(os.path.join(config.model_dir, "best.weights.h5"))
                         and len(model_dirs.read_history(config.model_dir)) == 2)  # it had not finished
        loop.train(config)
        model_dirs.assert_same_weights(self, config.model_dir, _base.model_dir, ("last",))
        self.assertEqual(len(model_dirs.read_history(config.model_dir)), 2)

    def test_the_best_nested_codes_are_good_at_all_lengths(self):
        config = dataclasses.replace(_base, model_dir=f"{_folder.name}/nested", prefix_sizes=(8, 12),
                                     num_steps=0, head_steps=60, head_learning_rate=0.05, head_views=2)
        with mock.patch.object(loop, "validation_map", side_effect=lambda bits, _: bits.shape[1]):
            self.assertEqual(loop.train(config)["best"]["validation_map"], 12)  # mean of 8, 12 and 16
        self.assertEqual(model_dir.load_hashing(config.model_dir)[1]["model"]["prefix_sizes"], (8, 12))

    def test_batches_of_more_classes_than_there_are_are_refused_at_once(self):
        config = dataclasses.replace(_base, model_dir=f"{_folder.name}/classes", batch_size=200,
                                     images_per_class=2)
        with self.assertRaisesRegex(ValueError, "`batch_size` / `images_per_class`, the classes of .*"
                                                "batch_size=200, images_per_class=2"):
            loop.train(config)
        self.assertFalse(os.path.exists(config.model_dir))

    def test_asymmetric_training_of_the_whole_network_is_refused_at_once(self):
        config = dataclasses.replace(_base, model_dir=f"{_folder.name}/whole_network", asymmetric_weight=1.0)
        with self.assertRaisesRegex(ValueError, "needs `num_steps` of 0: .*num_steps=8"):
            loop.train(config)
        self.assertFalse(os.path.exists(config.model_dir))

    def test_batches_without_positives_are_told_of(self):
        config = dataclasses.replace(_base, batch_size=10, images_per_class=0, mining="semi_hard")
        with self.assertLogs("absl", "WARNING") as logs:
            loop._check_classes(config, 1000)
        self.assertIn("`images_per_class` gives a batch its positives", logs.output[0])
        with self.assertNoLogs("absl", "WARNING"):
            loop._check_classes(config, 40)

    def test_other_settings_are_refused(self):
        with self.assertRaisesRegex(ValueError, "margin=0.0 then, 3.0 now"):
            loop.train(dataclasses.replace(_base, margin=3.0))

    def test_a_finished_run_is_left_alone(self):
        before = model_dirs.read_weights(_base.model_dir)
        loop.train(_base)
        for name, now in model_dirs.read_weights(_base.model_dir).items():
            np.testing.assert_array_equal(now, before[name])

    def test_two_replicas_without_validation_the_last_weights_are_the_best(self):
        config = dataclasses.replace(_base, model_dir=f"{_folder.name}/replicas", validation_pattern="",
                                     num_steps=3, mixed_precision="bfloat16", classification_weight=1.0)
        with mock.patch.object(strategies, "build_strategy", lambda *_: replicas.two_replicas()):
            loop.train(config)
        self.assertEqual(len(model_dirs.read_history(config.model_dir)), 1)
        best = model_dirs.read_weights(config.model_dir, "best")
        for name, last in model_dirs.read_weights(config.model_dir).items():
            np.testing.assert_array_equal(best[name], last)

    def test_the_code_layer_alone(self):
        config = dataclasses.replace(_base, model_dir=f"{_folder.name}/head", num_steps=0, head_steps=60,
                                     head_learning_rate=0.05, head_views=2)
        result = loop.train(config)
        model, _ = model_dir.load_hashing(config.model_dir)
        self.assertGreater(result["best"]["validation_map"], 0.6)  # 0.3 before
        keras.utils.set_random_seed(config.seed)
        untrained = build_hashing(config.model_config())
        for was, now in zip(untrained.get_layer("backbone").get_weights(),
                            model.get_layer("backbone").get_weights()):
            np.testing.assert_array_equal(was, now)
        self.assertFalse(np.allclose(untrained.get_layer("code_layer").get_weights()[0],
                                     model.get_layer("code_layer").get_weights()[0]))
        with mock.patch.object(last_layers, "stored_outputs", side_effect=AssertionError):
            self.assertEqual(loop.train(config), result)  # finished: left alone

    def test_asymmetric_training_learns_alike_by_its_seed(self):
        scores = []
        for name in ("asymmetric", "again"):
            config = dataclasses.replace(
                _base, model_dir=f"{_folder.name}/{name}", num_steps=0, head_steps=60,
                head_learning_rate=0.05, head_views=2, mining="none", center_weight=0.0,
                asymmetric_weight=1.0, reconstruction_weight=0.01, prefix_sizes=(8,))
            scores.append(loop.train(config)["best"]["validation_map"])
        self.assertGreater(scores[0], 0.5)  # 0.3 before
        model_dirs.assert_same_weights(self, f"{_folder.name}/asymmetric", f"{_folder.name}/again", ("last",))

    def test_presets_of_transformers_train_code_layer_and_network(self):
        for name, small in (("best_vit", tiny_backbone.in_place_of_vit_b16),
                            ("best_dinov2", tiny_backbone.in_place_of_dinov2)):
            with self.subTest(name), small():
                config = preset(name, train_pattern=_base.train_pattern, model_dir=f"{_folder.name}/{name}",
                                backbone_weights="none", image_size=32, batch_size=8, images_per_class=2,
                                head_steps=2, head_views=1, num_steps=2, warmup_steps=0, steps_per_epoch=2,
                                settle_steps=0)
                self.assertEqual(loop.train(config)["best"], None)
                self.assertEqual(len(model_dirs.read_history(config.model_dir)), 1)

    def test_the_top_of_the_backbone_moves_and_what_lies_before_it_stays(self):
        config = dataclasses.replace(_base, model_dir=f"{_folder.name}/top", num_steps=0, warmup_steps=0,
                                     head_steps=2, top_steps=3, head_views=1, freeze_batch_norm=True)
        loop.train(config)
        keras.utils.set_random_seed(config.seed)
        untrained = build_hashing(config.model_config()).get_layer("backbone").get_layer("resnet18")
        trained = model_dir.load_hashing(config.model_dir)[0].get_layer("backbone").get_layer("resnet18")
        moved = {was.name for was, now in zip(untrained.weights, trained.weights)
                 if not np.allclose(was, now)}
        convolutions = {weight.name for weight in untrained.weights
                        if weight.name.startswith("layer4") and "kernel" in weight.name}
        self.assertLessEqual(convolutions, moved)
        self.assertEqual([name for name in moved if not name.startswith("layer4")], [])
        self.assertEqual([name for name in moved if "moving" in name], [])  # BatchNorm is frozen

    def test_the_top_keeps_a_share_of_what_its_steps_change(self):
        tops = []
        for share in (1.0, 0.25):
            config = dataclasses.replace(
                _base, model_dir=f"{_folder.name}/share_{share}", num_steps=0, warmup_steps=0, head_steps=2,
                top_steps=3, settle_steps=1, head_views=1, freeze_batch_norm=True, top_share=share)
            loop.train(config)
            tops.append(model_dir.load_hashing(config.model_dir)[0].get_layer("backbone").get_weights())
        keras.utils.set_random_seed(_base.seed)
        pretrained = build_hashing(_base.model_config()).get_layer("backbone").get_weights()
        self.assertFalse(all(map(np.array_equal, pretrained, tops[0])))
        for before, whole, part in zip(pretrained, *tops):
            np.testing.assert_allclose(part, before + 0.25 * (whole - before), atol=1e-6)

    def test_codes_settle_from_itq_and_the_backbone_stays(self):
        config = dataclasses.replace(_base, model_dir=f"{_folder.name}/settled", settle_steps=9, head_views=2,
                                     head_learning_rate=0.05)
        result = loop.train(config)
        self.assertEqual(result["best"]["step"], config.num_steps + 9)
        before, after = (model_dir.load_hashing(folder)[0] for folder in (_base.model_dir, config.model_dir))
        for was, now in zip(before.get_layer("backbone").get_weights(),
                            after.get_layer("backbone").get_weights()):
            np.testing.assert_array_equal(was, now)
        self.assertFalse(np.allclose(before.get_layer("code_layer").get_weights()[0],
                                     after.get_layer("code_layer").get_weights()[0]))
        with mock.patch.object(last_layers, "stored_outputs", side_effect=AssertionError):
            self.assertEqual(loop.train(config), result)  # finished: left alone

    def test_codes_settle_without_validation_and_without_steps_of_the_whole(self):
        for name, steps, step in (("whole", 3, 5), ("last_layers", 0, None)):
            config = dataclasses.replace(
                _base, model_dir=f"{_folder.name}/settled_{name}", validation_pattern="", num_steps=steps,
                warmup_steps=0, head_steps=2, top_steps=2, settle_steps=2, head_views=1)
            with mock.patch.object(last_layers, "start_as_itq") as start:
                result = loop.train(config)
            start.assert_called_once()
            self.assertEqual(result["best"], step and {"epoch": -1, "step": step})
            with mock.patch.object(last_layers, "stored_outputs", side_effect=AssertionError):
                loop.train(config)

    def test_a_code_layer_that_starts_as_itq_gives_its_codes(self):
        model = build_hashing(dataclasses.replace(_base, code_size=24).model_config())
        features = np.random.default_rng(0).normal(size=(90, 16)).astype(np.float32)
        layer, norm = model.get_layer("code_layer"), model.get_layer("code_norm")
        norm.set_weights([np.full(24, value, np.float32) for value in (2, 3, 4, 5)])
        own = layer.get_weights()[0]
        last_layers.start_as_itq(model, features, (24,), seed=2)
        values = norm(layer(features)).numpy()
        matrix, offset = baselines.fit_projection("itq", features, 16, seed=2, whitening=0.5)
        np.testing.assert_array_equal(values[:, :16] >= 0, features @ matrix + offset >= 0)
        np.testing.assert_allclose(values[:, :16].std(axis=0), 1, rtol=1e-2)
        np.testing.assert_array_equal(layer.get_weights()[0][:, 16:], own[:, 16:])  # more bits than features

    def test_short_codes_start_as_itq_of_the_first_components(self):
        model = build_hashing(dataclasses.replace(_base, code_size=12).model_config())
        features = np.random.default_rng(0).normal(size=(90, 16)) * np.geomspace(9, 0.1, 16)
        last_layers.start_as_itq(model, features, (8, 12), seed=2)
        kernel = model.get_layer("code_layer").get_weights()[0]
        axes = np.linalg.svd(features - features.mean(axis=0), full_matrices=False)[2].T  # [D, components]
        for bits, components in ((slice(8), 8), (slice(8, 12), 12)):
            left = kernel[:, bits] - axes[:, :components] @ (axes[:, :components].T @ kernel[:, bits])
            np.testing.assert_allclose(left, 0, atol=1e-3 * np.abs(kernel[:, bits]).max())
        self.assertGreater(np.abs(axes[:, 8:12].T @ kernel[:, 8:]).max(), 0.01)

    def test_views_of_all_images_together_are_limited(self):
        config = dataclasses.replace(_base, head_steps=1, head_views=3, max_head_views=12)
        part = keras.Sequential([keras.layers.Flatten(input_shape=(32, 32, 3))])
        outputs, labels = last_layers.stored_outputs(part, config)
        self.assertEqual(outputs.shape, (16, 32 * 32 * 3))  # whole batches of 8
        self.assertEqual(labels.shape, (16,))

    def test_a_code_layer_that_diverges_is_an_error(self):
        config = dataclasses.replace(_base, model_dir=f"{_folder.name}/wild", num_steps=0, head_steps=2,
                                     head_learning_rate=1e39, head_views=1)
        with self.assertRaisesRegex(ValueError, "must stay finite; .*head_learning_rate=1e\\+39"):
            loop.train(config)

    def test_a_model_of_another_kind_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as file:
                json.dump({"model": {"size": 3}}, file)
            with self.assertRaisesRegex(ValueError, "config.json must hold settings that .*'size'"):
                model_dir.load_hashing(folder)
        with self.assertRaisesRegex(ValueError, "`weights` must be best or last. Received: weights='first'"):
            model_dir.load_hashing(_base.model_dir, "first")


class ValidationMapTest(unittest.TestCase):
    def test_by_hand(self):
        """Codes 00, 00, 11, 11 of labels 0, 0, 0, 1: AP 1 + (1/2 + 2/3) ... worked out per query."""
        bits = np.array([[0, 0], [0, 0], [1, 1], [1, 1]], np.uint8)
        # Queries 0 and 1: the twin first, then one of two tied: (1 + (2/2 + 2/3) / 2) / 2. Query 2: the other
        # label first, then both positives tied: (1/2 + 2/3) / 2. Query 3 has none.
        expected = np.mean([(1 + 5 / 6) / 2, (1 + 5 / 6) / 2, 7 / 12])
        self.assertAlmostEqual(loop.validation_map(bits, np.array([0, 0, 0, 1])), expected)


if __name__ == "__main__":
    unittest.main()
