import dataclasses
import json
import os
import tempfile
import unittest

import numpy as np

from delg.networks import model_files
from tests.fixtures import eager, model_dirs, replicas, tiny_day_night, tiny_vae
from vae.latents.latents import LatentEncoder
from vae.networks.model_dir import load_vae
from vae.training import loop
from vae.training.config import preset


def setUpModule():
    global _folder, _base
    eager.run_eagerly()  # tests/test_conformance.py takes a step as a graph
    tiny_vae.use()
    _folder = tempfile.TemporaryDirectory()
    tiny_day_night.write_shards(_folder.name)
    _base = preset(
        "adversarial", train_pattern=f"{_folder.name}/train-*", model_dir=f"{_folder.name}/whole",
        validation_pattern=f"{_folder.name}/validation-*", image_size=16, width=1 / 32, batch_size=4,
        normalization="none", up_normalization="batch", descriptor_grid=2, num_steps=3, steps_per_epoch=2,
        plateau_epochs=1, plateau_factor=0.5, num_pictures=2, seed=3)
    loop.train(_base)


def tearDownModule():
    _folder.cleanup()


class TrainTest(unittest.TestCase):
    def test_files_of_a_finished_run(self):
        files = set(os.listdir(_base.model_dir))
        self.assertLessEqual({"config.json", "best.weights.h5", "last.weights.h5", "history.csv", "backup",
                              "events"}, files)
        self.assertEqual([name for name in files if "tmp" in name], [])
        stored = model_files.read_config(_base.model_dir)
        self.assertEqual(stored["model"], dataclasses.asdict(_base.model_config()))
        history = model_dirs.read_history(_base.model_dir)
        self.assertEqual([row["epoch"] for row in history], ["0", "1"])
        losses = [float(row["val_loss"]) for row in history]
        self.assertAlmostEqual(stored["best"]["val_loss"], min(losses), places=5)

    def test_latent_encoder_reads_the_run(self):
        encoder = LatentEncoder(_base.model_dir, "best")
        images = np.stack([tiny_day_night.picture(0, 0, "day")] * 2)
        maps = encoder.encode(images, "day")
        self.assertEqual(tuple(maps), encoder.layer_names)
        self.assertEqual(encoder.layer_names[-1], "latent")
        self.assertEqual(maps["latent"].shape, (2, 8, 8, 8))
        self.assertEqual((encoder.image_size, encoder.descriptor_grid), (16, 2))
        np.testing.assert_allclose(np.linalg.norm(encoder.describe(images, "night"), axis=1), 1, rtol=1e-5)
        for function in (encoder.reconstruct, encoder.translate, encoder.cycle):
            self.assertEqual((function(images, "night").dtype, function(images, "night").shape),
                             (np.uint8, (2, 32, 32, 3)))
        with self.assertRaisesRegex(ValueError, "multiples of 4. Received: 30 x 32"):
            encoder.encode(images[:, :30], "day")
        with self.assertRaisesRegex(ValueError, "`images` must be uint8 .* Received: float64"):
            encoder.encode(images / 255, "day")

    def test_finished_run_keeps_its_weights(self):
        before = model_dirs.read_weights(_base.model_dir)
        loop.train(_base)
        for name, value in model_dirs.read_weights(_base.model_dir).items():
            np.testing.assert_array_equal(value, before[name])

    def test_encoders_start_equal_where_asked_to(self):
        with tempfile.TemporaryDirectory() as folder:
            for equal_start in (True, False):
                config = dataclasses.replace(
                    _base, model_dir=f"{folder}/{equal_start}", equal_start=equal_start, num_steps=1,
                    validation_pattern="", learning_rate=1e-9)
                loop.train(config)
                vae, _ = load_vae(config.model_dir)
                day, night = (vae.get_layer(f"{domain}_lower_encoder").get_weights()
                              for domain in ("day", "night"))
                apart = max(np.abs(first - second).max() for first, second in zip(day, night))
                self.assertEqual(apart < 1e-6, equal_start)

    def test_refuses_to_resume_with_other_settings(self):
        with self.assertRaisesRegex(ValueError, "whole, learning_rate=0.001 then, 0.5 now"):
            loop.train(dataclasses.replace(_base, learning_rate=0.5))

    def test_refuses_a_config_of_another_model(self):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as file:
                json.dump({"model": {"backbone": "resnet50"}}, file)
            with self.assertRaisesRegex(ValueError, "settings that this version knows.*unknown='backbone'"):
                load_vae(folder)
        with self.assertRaisesRegex(ValueError, "`weights` must be best or last. Received: weights='first'"):
            load_vae(_base.model_dir, "first")


class KilledTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.config = dataclasses.replace(_base, model_dir=f"{_folder.name}/killed", backup_steps=1)
        model_dirs.kill_after_first_backup("vae.train", cls.config)

    def test_resumed_run_ends_like_the_uninterrupted_one(self):
        config = self.config
        loop.train(config)
        model_dirs.assert_same_weights(self, config.model_dir, _base.model_dir)
        whole, resumed = (model_dirs.read_history(run.model_dir) for run in (_base, config))
        self.assertEqual(len(resumed), 2)
        for before, after in zip(whole, resumed):
            self.assertAlmostEqual(float(before["val_loss"]), float(after["val_loss"]), places=3)


class ReplicasTest(unittest.TestCase):
    def test_one_replica_and_two_take_the_same_steps(self):
        """Of the paper's loss without noise, which replicas draw apart."""
        self.assertEqual(replicas.two_replicas().num_replicas_in_sync, 2)
        found = []
        for strategy in ("one_device", "mirrored"):
            config = preset("paper", train_pattern=_base.train_pattern, image_size=16, width=1 / 32,
                            model_dir=f"{_folder.name}/{strategy}", batch_size=4, num_steps=1,
                            cycle_weight=0.0, reconstruction_weight=0.0, learning_rate=0.01,
                            strategy=strategy, num_pictures=1)
            loop.train(config)
            found.append(model_dirs.read_weights(config.model_dir))
        for name, value in found[0].items():
            if "encoder" in name:  # moved by the divergence alone, which has no noise
                np.testing.assert_allclose(found[1][name], value, atol=1e-4, err_msg=name)


if __name__ == "__main__":
    unittest.main()
