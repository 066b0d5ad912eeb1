import contextlib
import dataclasses
import os
import tempfile
import unittest
from unittest import mock

import h5py
import keras
import numpy as np
import tensorflow as tf

from data_prep.stage import ending
from delg.fitting import backups, callbacks, run
from delg.networks import model_files
from delg.networks.backbone import build_backbone
from tests.fixtures import eager, tiny_backbone, tiny_day_night, tiny_vae
from vae.latents import encoding, export
from vae.latents.latents import LatentEncoder
from vae.networks.config import DOMAINS, ModelConfig
from vae.networks.model import SHARED_LAYERS, build_vae, encode, stem_of
from vae.networks.model_dir import load_vae
from vae.networks.stems import build_stem
from vae.training import loop
from vae.training.config import TrainConfig

_TINY = {"image_size": 32, "width": 1 / 32, "stem": "resnet18", "stem_width": 1 / 32,  # of `tiny_backbone`:
         "descriptor_grid": 2}  # 4 channels


class BuildStemTest(unittest.TestCase):
    def test_maps_are_signed_and_a_sixteenth_of_the_image(self):
        keras.utils.set_random_seed(0)
        images = np.random.default_rng(0).uniform(0, 1, (1, 48, 64, 3)).astype(np.float32)
        for name, width, channels in (("mobilenet_v2", 1.0, 96), ("resnet18", 1 / 64, 4)):
            maps = build_stem(name, width)(images).numpy()
            self.assertEqual(maps.shape, (1, 3, 4, channels))
            self.assertLess(maps.min(), 0)

    def test_starts_from_the_weight_file_of_a_backbone(self):
        keras.utils.set_random_seed(0)
        backbone = build_backbone("resnet18", 1 / 64, "none").get_layer("resnet18")
        images = np.random.default_rng(0).uniform(0, 1, (1, 32, 32, 3)).astype(np.float32)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "resnet18.weights.h5")
            keras.Model(backbone.input, backbone.outputs).save_weights(path)
            stem = build_stem("resnet18", 1 / 64, path)
        normalised = (images * 255 - [123.675, 116.28, 103.53]) / [58.395, 57.12, 57.375]
        block = keras.Model(backbone.input, backbone.get_layer("layer3_0_add").output)
        np.testing.assert_allclose(stem(images), block(normalised.astype(np.float32)), atol=1e-4)


def _enter(case, *contexts):
    """Enters contexts until the class is done; Python 3.11 has a method for it."""
    stack = contextlib.ExitStack()
    case.addClassCleanup(stack.close)
    for context in contexts:
        stack.enter_context(context)


class ModelWithStemTest(unittest.TestCase):
    """On two convolutions in place of ResNet-18."""

    @classmethod
    def setUpClass(cls):
        _enter(cls, tiny_backbone.in_place_of_resnet18())

    def _latent_and_stem(self, normalization):
        keras.utils.set_random_seed(1)
        model = build_vae(ModelConfig(normalization=normalization, **_TINY))
        images = np.random.default_rng(0).uniform(0, 1, (2, 32, 48, 3)).astype(np.float32)
        found = {domain: encode(model, images, domain, training=True)["latent"].numpy() for domain in DOMAINS}
        return found, stem_of(model)(images, training=False).numpy()

    def test_latent_starts_as_the_map_of_the_stem(self):
        latents, maps = self._latent_and_stem("none")
        for domain in DOMAINS:
            np.testing.assert_allclose(latents[domain], maps, atol=1e-5)

    def test_latent_starts_as_its_normalised_map(self):
        latents, maps = self._latent_and_stem("instance")
        centred = maps - maps.mean(axis=(1, 2), keepdims=True)
        expected = centred / np.sqrt(maps.var(axis=(1, 2), keepdims=True) + 1e-5)
        for domain in DOMAINS:
            np.testing.assert_allclose(latents[domain], expected, atol=1e-3)

    def test_outputs_have_the_size_of_images_and_the_encoders_one_stem(self):
        model = build_vae(ModelConfig(**_TINY))
        images = {domain: np.zeros((1, 32, 48, 3), np.uint8) for domain in DOMAINS}
        shapes = {name: tuple(value.shape) for name, value in model(images).items()}
        latent, image = (1, 2, 3, 4), (1, 32, 48, 3)
        self.assertEqual(shapes, {
            "day_latent": latent, "night_latent": latent, "day_reconstruction": image,
            "night_reconstruction": image, "day_to_night": image, "night_to_day": image})
        self.assertIs(model.get_layer("night_lower_encoder").get_layer("stem"), stem_of(model))

    def test_there_may_be_none(self):
        self.assertIsNone(stem_of(build_vae(ModelConfig(image_size=8, width=1 / 64))))


def _weights(model_dir):
    values = {}
    with h5py.File(model_files.weight_path(model_dir, "last"), "r") as file:
        file.visititems(lambda name, item: values.update({name: item[()]} if hasattr(item, "shape") else {}))
    return values


class TrainWithStemTest(unittest.TestCase):
    """On two convolutions in place of ResNet-18; tests/test_conformance.py takes a step as a graph."""

    @classmethod
    def setUpClass(cls):
        eager.run_class_eagerly(cls)
        _enter(cls, tiny_backbone.in_place_of_resnet18(), tiny_vae.in_place_of_the_whole())
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        tiny_day_night.write_shards(cls.folder)
        keras.utils.set_random_seed(2)
        backbone = build_backbone("resnet18", _TINY["stem_width"], "none").get_layer("resnet18")
        weights = os.path.join(cls.folder, "resnet18.weights.h5")
        keras.Model(backbone.input, backbone.outputs).save_weights(weights)
        cls.start = build_stem("resnet18", _TINY["stem_width"], weights).get_weights()
        cls.config = TrainConfig(
            f"{cls.folder}/train-*", f"{cls.folder}/whole", **_TINY, stem_weights=weights, batch_size=2,
            num_steps=3, steps_per_epoch=3, num_pictures=1, learning_rate=0.01, center_latent=True,
            stem_learning_rate_factor=0.1)
        loop.train(cls.config)

    def test_the_stem_moves_by_a_share_of_the_rate(self):
        stem = stem_of(load_vae(self.config.model_dir)[0])
        for weight, now, before in zip(stem.weights, stem.get_weights(), self.start):
            distance = np.abs(now - before).max()
            if "moving" in weight.name:  # of BatchNorm, which stays in inference mode
                self.assertEqual(distance, 0, weight.name)
            else:
                self.assertGreater(distance, 0, weight.name)
                self.assertLess(distance, 0.0035, weight.name)  # 3 steps of Adam of at most about 0.001

    def test_a_frozen_stem_is_not_among_what_a_step_moves(self):
        frozen = dataclasses.replace(self.config, model_dir=f"{self.folder}/frozen",
                                     stem_learning_rate_factor=0.0)
        started = run.Run(frozen, {}, ending.Heeded())
        loop._begin(started)
        moved = {weight.ref() for weight in started.trained.trainable_weights}
        self.assertFalse(moved & {weight.ref() for weight in stem_of(started.model).weights})
        for weight, before in zip(stem_of(started.model).weights, self.start):
            np.testing.assert_array_equal(weight, before)

    def test_resumed_run_ends_like_the_uninterrupted_one_without_the_weight_file(self):
        half = dataclasses.replace(self.config, model_dir=f"{self.folder}/half", backup_steps=1)

        class StoppedAfterTwo(callbacks.Backup):
            def on_train_batch_end(self, batch, logs=None):
                super().on_train_batch_end(batch, logs)
                if batch == 1:
                    raise KeyboardInterrupt

        with mock.patch.object(callbacks, "Backup", StoppedAfterTwo), self.assertRaises(KeyboardInterrupt):
            loop.train(half)
        loop.train(dataclasses.replace(half, stem_weights="gone.weights.h5"))
        expected, found = _weights(self.config.model_dir), _weights(half.model_dir)
        self.assertEqual(set(found), set(expected))
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], value, rtol=1e-3, atol=1e-5, err_msg=name)

    def test_encoder_export_and_feature_shards(self):
        encoder = LatentEncoder(self.config.model_dir)
        images = np.stack([tiny_day_night.picture(0, 0, "night")])
        maps = encoder.encode(images, "night")
        self.assertEqual([maps[name].shape for name in SHARED_LAYERS], [(1, 2, 2, 4)] * len(SHARED_LAYERS))
        for function in (encoder.reconstruct, encoder.translate, encoder.cycle):
            self.assertEqual(function(images, "night").shape, images.shape)
        with self.assertRaisesRegex(ValueError, "must be multiples of 16. Received: 24 x 32"):
            encoder.encode(images[:, :24], "night")
        saved_model = f"{self.folder}/saved_model"
        export.export_vae(self.config.model_dir, saved_model)
        signatures = tf.saved_model.load(saved_model).signatures
        np.testing.assert_allclose(
            signatures["encode_night"](images=tf.constant(images))["descriptor"],
            encoder.describe(images, "night"), atol=1e-5)
        odd = tf.zeros([1, 37, 50, 3], tf.uint8)
        self.assertEqual(signatures["night_to_day"](images=odd)["images"].shape, (1, 37, 50, 3))
        self.assertEqual(encoding.DayNightDescriber(saved_model).global_dim, 2 * 2 * 4)

    def test_refuses_weights_that_are_no_file(self):
        config = dataclasses.replace(self.config, model_dir=f"{self.folder}/new", stem_weights="gone.h5")
        with self.assertRaisesRegex(FileNotFoundError, "`stem_weights` must be .* a file. Received: gone.h5"):
            loop.train(config)
        self.assertFalse(os.path.exists(config.model_dir))

    def test_models_written_before_stems_load_and_resume(self):
        stored = {"model": {"image_size": 8, "width": 1 / 64}}
        model_dir = f"{self.folder}/earlier"
        os.makedirs(model_dir)
        model_files.write_config(model_dir, stored)
        model_files.save_weights(build_vae(ModelConfig(**stored["model"])),
                                 model_files.weight_path(model_dir, "last"))
        self.assertEqual(LatentEncoder(model_dir).stride, 4)
        plain = TrainConfig(self.config.train_pattern, model_dir, image_size=8, width=1 / 64)
        settings = {name: value for name, value in dataclasses.asdict(plain).items() if "stem" not in name}
        model_files.write_config(model_dir, {**stored, "train": settings, "best": None})
        tf.train.CheckpointManager(tf.train.Checkpoint(), backups.backup_dir(model_dir), 1).save()
        self.assertIsNone(loop._start_config(plain)["best"])
        with self.assertRaisesRegex(ValueError, "stem='none' then, 'resnet18' now"):
            loop._start_config(dataclasses.replace(plain, stem="resnet18", image_size=32,
                                                       stem_learning_rate_factor=1.0, stem_weights="none"))


class StemSettingsTest(unittest.TestCase):
    def test_refuses_what_cannot_be(self):
        for message, changes in (
                ("`stem` must be one of resnet50, .*resnet18, .*none. Received: stem='vgg16'",
                 {"stem": "vgg16"}),
                ("`stem` must be one of none, mobilenet_v2, .*, resnet18. Received: stem='resnet50'",
                 {"stem": "resnet50"}),
                ("`stem` must be one of none, mobilenet_v2, .*, resnet18. Received: stem='vit_b16'",
                 {"stem": "vit_b16"}),
                ("`image_size` must be a multiple of 16, at least 32. Received: image_size=40",
                 {"stem": "mobilenet_v2", "image_size": 40}),
                ("`stem_width` must be 1, or positive for the stem resnet18. Received: stem_width=0.5",
                 {"stem": "mobilenet_v2", "stem_width": 0.5}),
                ("`descriptor_grid` must be at least 2 for a stem with `normalization` instance",
                 {"stem": "mobilenet_v2", "normalization": "instance"}),
                ("`stem_weights` of resnet18 must be none or a weight file", {"stem": "resnet18"}),
                ("`stem_learning_rate_factor` must be positive for a stem that starts from nothing",
                 {"stem": "resnet18", "stem_weights": "none"}),
                ("`stem_learning_rate_factor` must not be negative", {"stem_learning_rate_factor": -1.0})):
            with self.assertRaisesRegex(ValueError, message):
                TrainConfig("shards", "model", **changes)


if __name__ == "__main__":
    unittest.main()
