"""Tests of vae.weighting.weight_training and vae.latents.latent_features."""

import dataclasses
import json
import os
from unittest import mock

import numpy as np
import pandas as pd

from delg.fitting import callbacks
from tests.fixtures.day_night_shards import build_shards
from tests.fixtures.fake_encoder import FakeEncoder
from tests.fixtures.temporary_files import FilesTest
from vae.data.photographs import read_photographs
from vae.latents import latent_features
from vae.weighting.config import DISTANCES, WeightTrainConfig
from vae.weighting.weight_files import read_channel_weights
from vae.weighting.weight_training import WEIGHTS_FILE, train_channel_weights


class TrainChannelWeightsTest(FilesTest):
    def setUp(self):
        super().setUp()
        self.train, self.test = build_shards(self.directory, num_places=6, views=2)

    def config(self, name="weights", **changes):
        return WeightTrainConfig(**{"train_pattern": self.train, "vae_dir": "", "model_dir": self.path(name),
                                    "batch_size": 16, "num_steps": 6, "steps_per_epoch": 2,
                                    "learning_rate": 0.2, "num_hard": 2, "num_validation": 16, **changes})

    def train_weights(self, config):
        return train_channel_weights(config, FakeEncoder())

    def test_the_channel_that_tells_the_domain_loses_its_weight(self):
        for distance in ("pooled", "paper"):
            config = self.config(distance, distance=distance, num_steps=40, steps_per_epoch=40,
                                 shrinkage=0.0)
            weights = self.train_weights(config)["latent"]
            self.assertEqual(int(weights.argmin()), 3, distance)
            self.assertLess(weights[3], 0.5, distance)
            self.assertAlmostEqual(float((weights**2).mean()), 1, places=4)

    def test_writes_weights_that_are_drawn_back_to_one(self):
        plain = self.train_weights(self.config("plain", shrinkage=0.0))["latent"]
        drawn = self.train_weights(self.config("drawn", shrinkage=0.75))["latent"]
        expected = 0.75 + 0.25 * plain
        np.testing.assert_allclose(drawn, expected / np.sqrt((expected**2).mean()), rtol=1e-5)
        self.assertGreater(plain.std(), 2 * drawn.std())

    def test_writes_weights_of_each_layer_and_a_history(self):
        weights = self.train_weights(self.config(num_layers=2, validation_pattern=self.test))
        self.assertEqual(list(weights), ["shared_1_out", "latent"])
        found = read_channel_weights(self.path(f"weights/{WEIGHTS_FILE}"))
        np.testing.assert_allclose(found["latent"], weights["latent"], atol=1e-6)
        history = pd.read_csv(self.path("weights/history.csv"))
        self.assertEqual(history["epoch"].tolist(), [0, 1, 2])
        self.assertLessEqual({"loss", "triplet_accuracy", "val_loss", "val_triplet_accuracy"}, set(history))

    def test_a_killed_run_ends_with_the_weights_of_an_uninterrupted_one(self):
        whole = self.train_weights(self.config("whole"))["latent"]

        class KilledAfterBackup(callbacks.Backup):
            def on_epoch_end(self, epoch, logs=None):
                super().on_epoch_end(epoch, logs)
                raise KeyboardInterrupt

        with mock.patch.object(callbacks, "Backup", KilledAfterBackup), self.assertRaises(KeyboardInterrupt):
            self.train_weights(self.config("killed"))
        self.assertFalse(os.path.exists(self.path(f"killed/{WEIGHTS_FILE}")))
        resumed = self.train_weights(self.config("killed"))["latent"]
        np.testing.assert_array_equal(resumed, whole)

    def test_refuses_to_go_on_with_other_settings(self):
        self.train_weights(self.config(num_steps=2))
        with self.assertRaisesRegex(ValueError, "other settings.*margin=0.3 then, 0.5 now"):
            self.train_weights(self.config(num_steps=2, margin=0.5))
        with open(self.path("weights/config.json"), encoding="utf-8") as file:
            self.assertEqual(json.load(file)["train"]["margin"], 0.3)

    def test_refuses_more_layers_than_there_are(self):
        with self.assertRaisesRegex(ValueError, "`num_layers` must be at most 2.*num_layers=3"):
            self.train_weights(self.config(num_layers=3))

    def test_refuses_settings_out_of_range(self):
        with self.assertRaisesRegex(ValueError, "`distance` must be one of paper, pooled"):
            self.config(distance="cosine")
        with self.assertRaisesRegex(ValueError, "`num_hard` must be positive. Received: num_hard=0"):
            self.config(num_hard=0)
        with self.assertRaisesRegex(ValueError, "`shrinkage` must be in .0, 1.. Received: shrinkage=1"):
            self.config(shrinkage=1.0)
        with self.assertRaisesRegex(ValueError, "`margin` must not be negative. Received: margin=-1"):
            dataclasses.replace(self.config(), margin=-1)


class LayerFeaturesTest(FilesTest):
    def test_paper_features_are_z_scores_of_each_position(self):
        _, pattern = build_shards(self.directory, num_places=4, views=1)
        photographs = read_photographs(pattern, 16)
        found = latent_features.layer_features(
            FakeEncoder(), photographs, ["latent"], DISTANCES["paper"].features)["latent"]
        self.assertEqual((found.shape, found.dtype), ((4, 16, 4), np.float16))
        image = photographs.rows("night")[0]
        position = FakeEncoder().encode(photographs.images[image:image + 1], "night")["latent"][0, 1, 2]
        expected = (position - position.mean()) / position.std(ddof=1)
        np.testing.assert_allclose(found[image, 1 * 4 + 2], expected, atol=2e-3)

    def test_pooled_features_are_the_descriptor(self):
        _, pattern = build_shards(self.directory, num_places=4, views=1)
        photographs = read_photographs(pattern, 16)
        found = latent_features.layer_features(
            FakeEncoder(), photographs, ["latent"], DISTANCES["pooled"].features)["latent"]
        self.assertEqual(found.shape, (4, 4, 4))
        day = photographs.rows("day")
        np.testing.assert_allclose(found[day].reshape(2, -1),
                                   FakeEncoder().describe(photographs.images[day], "day"), atol=1e-3)
