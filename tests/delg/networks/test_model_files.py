import dataclasses
import json
import os
import tempfile
import unittest

import h5py
import keras
import numpy as np

from delg.networks import model_files
from delg.networks.delg import build_delg, load_delg
from delg.settings.model import ModelConfig

_TINY = ModelConfig(num_classes=5, backbone="resnet18", width=0.0625, embedding_dim=6, autoencoder_dim=4,
                    attention_dim=8)


class ModelFilesTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.config = {"model": dataclasses.asdict(_TINY), "train": {}, "attention_threshold": 1.5,
                       "best": None}

    def _write(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
            file.write(text)

    def test_loaded_model_gives_the_same_outputs(self):
        model = build_delg(_TINY)
        model_files.write_config(self.folder, self.config)
        model_files.save_weights(model, model_files.weight_path(self.folder, "best"))
        loaded, config = load_delg(self.folder)
        images = np.random.default_rng(0).integers(0, 255, (1, 32, 48, 3))
        expected, found = model(images), loaded(images)
        for name in expected:
            np.testing.assert_array_equal(found[name], expected[name])
        self.assertEqual(config, self.config)
        self.assertEqual(model_files.fingerprint(loaded), model_files.fingerprint(model))
        self.assertEqual(sorted(os.listdir(self.folder)), ["best.weights.h5", "config.json"])

    def test_fingerprint_tells_models_apart(self):
        model = build_delg(_TINY)
        before = model_files.fingerprint(model)
        model.get_layer("whitening").bias.assign_add([1e-3] + [0.0] * 5)
        self.assertNotEqual(model_files.fingerprint(model), before)

    def test_weights_from_before_batch_norm_was_frozen_fit_after(self):
        model, frozen = build_delg(_TINY), build_delg(_TINY)
        frozen.get_layer("backbone").trainable = False
        model_files.save_weights(model, model_files.weight_path(self.folder, "last"))
        model_files.load_weights(frozen, model_files.weight_path(self.folder, "last"))
        images = np.random.default_rng(0).integers(0, 255, (1, 32, 32, 3))
        np.testing.assert_array_equal(frozen(images)["global_descriptor"], model(images)["global_descriptor"])

    def test_missing_config(self):
        with self.assertRaisesRegex(FileNotFoundError, "`model_dir` must hold config.json, written by"):
            load_delg(self.folder)

    def test_broken_config(self):
        self._write("config.json", "{")
        with self.assertRaisesRegex(ValueError, "config.json must be a JSON object"):
            model_files.read_config(self.folder)

    def test_weights_of_other_shapes_are_not_read(self):
        model = keras.Sequential([keras.layers.Dense(2, input_shape=(3,))])
        path = os.path.join(self.folder, "best.weights.h5")
        model_files.save_weights(model, path)
        model_files.load_weights(model, path)
        with h5py.File(path, "a") as file:
            file["strange"] = np.zeros((5, 5))
        with self.assertRaisesRegex(ValueError, "best.weights.h5 must be a file with .*strange is float64 "
                                    r"\(5, 5\), as no weight of the model"):
            model_files.load_weights(model, path)

    def test_foreign_config(self):
        for content, message in (("[1]", "config.json must be a JSON object. Received: list"),
                                 ("{}", 'config.json must hold an object with the key "model"')):
            self._write("config.json", content)
            with self.assertRaisesRegex(ValueError, message):
                model_files.read_config(self.folder)

    def test_unknown_model_field(self):
        self._write("config.json", json.dumps({"model": {"num_classes": 3, "depth": 4}}))
        with self.assertRaisesRegex(ValueError, "config.json must hold settings that .*'depth'"):
            load_delg(self.folder)

    def test_missing_weights(self):
        model_files.write_config(self.folder, self.config)
        with self.assertRaisesRegex(FileNotFoundError, "No weight file .*last.weights.h5"):
            load_delg(self.folder, weights="last")

    def test_weights_of_another_model(self):
        other = build_delg(dataclasses.replace(_TINY, width=0.125))
        model_files.write_config(self.folder, self.config)
        model_files.save_weights(other, model_files.weight_path(self.folder, "best"))
        with self.assertRaisesRegex(ValueError, "best.weights.h5 must be a file with the weights of the"):
            load_delg(self.folder)

    def test_truncated_weights(self):
        model_files.write_config(self.folder, self.config)
        self._write("best.weights.h5", "not a weight file")
        with self.assertRaisesRegex(ValueError, "best.weights.h5 must be a file with the weights"):
            load_delg(self.folder)

    def test_refuses_unknown_weights(self):
        with self.assertRaisesRegex(ValueError, "`weights` must be best or last. Received: weights='first'"):
            load_delg(self.folder, weights="first")
