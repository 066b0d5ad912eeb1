import dataclasses
import os
import tempfile
import unittest
from unittest import mock

import keras
import numpy as np
import tensorflow as tf

from delg.exports import saving
from delg.exports.export_config import read_export_config
from delg.networks import model_files
from delg.networks.batch_norm_folding import fold_batch_norm
from delg.networks.delg import build_delg
from delg.networks.layers import GeMPooling
from delg.networks.pooling import RegionalGeM
from delg.settings.model import ModelConfig
from tests.fixtures import tiny_backbone

MODEL = ModelConfig(num_classes=3, backbone="resnet18", width=0.125, embedding_dim=8, autoencoder_dim=4,
                    attention_dim=8)


def write_model_dir(model_dir, seed=0, attention_threshold=0.75):
    keras.utils.set_random_seed(seed)
    model = build_delg(MODEL)
    os.makedirs(model_dir, exist_ok=True)
    model_files.write_config(model_dir, {"model": dataclasses.asdict(MODEL), "train": {}, "best": None,
                                         "attention_threshold": attention_threshold})
    model_files.save_weights(model, os.path.join(model_dir, model_files.WEIGHT_FILES["best"]))
    return model


class ExportTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        cls.model_dir = os.path.join(cls.folder, "model")
        cls.export_dir = os.path.join(cls.folder, "parent", "saved_model")
        cls.model = write_model_dir(cls.model_dir)
        cls.config = saving.export(cls.model_dir, cls.export_dir)
        cls.loaded = tf.saved_model.load(cls.export_dir)
        cls.image = np.random.default_rng(0).integers(0, 255, (75, 101, 3), np.uint8)
        outputs = cls.loaded.signatures["serving_default"](
            input_image=tf.constant(cls.image), input_scales=tf.constant([1.0, 0.5]),
            input_max_feature_num=tf.constant(1000), input_abs_thres=tf.constant(0.0),
            input_global_scales_ind=tf.constant([0]))
        cls.outputs = {name: value.numpy() for name, value in outputs.items()}

    def test_global_descriptor_equals_the_models(self):
        expected = self.model(self.image[None].astype(np.float32), training=False)["global_descriptor"]
        np.testing.assert_allclose(self.outputs["global_descriptors"], expected, atol=1e-5)

    def test_local_features_equal_the_models(self):
        expected = self.model(self.image[None].astype(np.float32), training=False)
        scores = expected["attention_scores"].numpy().reshape(-1)
        order = np.argsort(-scores, kind="stable")
        rows = self.outputs["scales"] == 1
        np.testing.assert_allclose(self.outputs["scores"][rows, 0], scores[order], atol=1e-5)
        np.testing.assert_allclose(self.outputs["features"][rows],
                                   expected["local_descriptors"].numpy().reshape(-1, 4)[order], atol=1e-4)
        centres = (self.outputs["boxes"][rows, :2] + self.outputs["boxes"][rows, 2:]) / 2
        np.testing.assert_array_equal(centres, np.stack(np.divmod(order, 7), axis=1) * 16)  # 5 x 7 cells

    def test_batch_signature(self):
        batch = self.loaded.signatures["batch"](
            images=tf.constant(self.image[None].repeat(2, axis=0)), input_scales=tf.constant([1.0, 0.5]),
            input_max_feature_num=tf.constant(10), input_abs_thres=tf.constant(0.0),
            input_global_scales_ind=tf.constant([0]))
        self.assertEqual({name: tuple(value.shape) for name, value in batch.items()},
                         {"boxes": (2, 10, 4), "features": (2, 10, 4), "scales": (2, 10), "scores": (2, 10),
                          "num_features": (2,), "global_descriptors": (2, 1, 8)})
        np.testing.assert_allclose(batch["scores"][1], self.outputs["scores"][:10, 0], atol=1e-5)

    def test_signature_names_are_the_published_ones(self):
        signature = self.loaded.signatures["serving_default"]
        self.assertEqual(set(signature.structured_input_signature[1]),
                         {"input_image", "input_scales", "input_max_feature_num", "input_abs_thres",
                          "input_global_scales_ind"})
        self.assertEqual(set(signature.structured_outputs),
                         {"boxes", "features", "scales", "scores", "global_descriptors"})

    def test_threshold_travels_with_the_model(self):
        self.assertEqual(self.loaded.attention_threshold.numpy(), 0.75)

    def test_classifiers_stay_behind(self):
        exported = sum(np.prod(variable.shape) for variable in self.loaded.model_variables)
        folded = fold_batch_norm(self.model)
        left = sum(self.model.get_layer(name).count_params()
                   for name in ("global_cosines", "attention_logits", "decoder"))
        self.assertEqual(exported, folded.count_params() - left)

    def test_config_beside_the_model(self):
        self.assertEqual(self.config, read_export_config(self.export_dir))
        self.assertEqual(self.config["model"], dataclasses.asdict(MODEL))
        self.assertEqual(self.config["receptive_field"], [211, 16, 105])
        self.assertEqual(self.config["fingerprint"], model_files.fingerprint(self.model))

    def test_a_finished_export_is_kept(self):
        path = os.path.join(self.export_dir, "saved_model.pb")
        written = os.stat(path).st_mtime_ns
        self.assertEqual(saving.export(self.model_dir, self.export_dir), self.config)
        self.assertEqual(os.stat(path).st_mtime_ns, written)
        self.assertEqual(os.listdir(os.path.dirname(self.export_dir)), ["saved_model"])

    def test_may_pool_otherwise_than_in_training(self):
        export_dir = os.path.join(self.folder, "pooled")
        config = saving.export(self.model_dir, export_dir, gem_power=5.0, global_pooling="regional_gem")
        self.assertEqual(config["model"], {**self.config["model"], "gem_power": 5.0,
                                           "global_pooling": "regional_gem"})
        self.assertNotEqual(config["fingerprint"], self.config["fingerprint"])
        found = tf.saved_model.load(export_dir).signatures["serving_default"](
            input_image=tf.constant(self.image), input_scales=tf.constant([1.0]),
            input_max_feature_num=tf.constant(0), input_abs_thres=tf.constant(0.0),
            input_global_scales_ind=tf.constant([0]))["global_descriptors"]
        maps = keras.Model(self.model.input, self.model.get_layer("gem_pooling").input)(self.image[None])
        kernel, bias = self.model.get_layer("whitening").get_weights()
        whitened = GeMPooling(5.0)(RegionalGeM()(maps)) @ kernel + bias
        np.testing.assert_allclose(found, whitened / np.linalg.norm(whitened), atol=1e-5)

    def test_layers_of_the_pooling_of_the_training_are_left_behind(self):
        model_dir = os.path.join(self.folder, "regional")
        made_of = dataclasses.replace(MODEL, backbone="dinov2_vits14", width=1.0, local_stride=0,
                                      global_pooling="regional_gem")
        with tiny_backbone.in_place_of_dinov2(), \
                mock.patch.object(saving, "export_built", lambda model, *_: model):
            trained = build_delg(made_of)
            model_files.write_untrained(model_dir, trained, made_of)
            changed = saving.export(model_dir, "nowhere", global_pooling="cls")
        tokens = keras.Model(changed.input, changed.get_layer("cls").output)(self.image[None])
        kernel, bias = trained.get_layer("whitening").get_weights()
        whitened = tokens @ kernel + bias
        np.testing.assert_allclose(changed(self.image[None])["global_descriptor"],
                                   whitened / np.linalg.norm(whitened), atol=1e-5)

    def test_refuses_a_pooling_of_other_dimensions(self):
        model_dir = os.path.join(self.folder, "token")
        made_of = dataclasses.replace(MODEL, backbone="dinov2_vits14", width=1.0, local_stride=0)
        with tiny_backbone.in_place_of_dinov2():
            model_files.write_untrained(model_dir, build_delg(made_of), made_of)
            with self.assertRaisesRegex(ValueError, "must give the 16 dimensions that the model was trained "
                                        "with, not 32. Received: global_pooling='cls_gem'"):
                saving.export(model_dir, self.export_dir + "3", global_pooling="cls_gem")

    def test_refuses_to_replace_another_models_export(self):
        other = os.path.join(self.folder, "other")
        write_model_dir(other, seed=1)
        with self.assertRaisesRegex(ValueError, "saved_model holds the export of another .*: fingerprint"):
            saving.export(other, self.export_dir)

    def test_refuses_a_folder_of_something_else(self):
        with self.assertRaisesRegex(ValueError, "`export_dir` must be empty or an earlier export. .*model"):
            saving.export(self.model_dir, self.model_dir)

    def test_refuses_a_missing_model(self):
        with self.assertRaisesRegex(FileNotFoundError, "nowhere"):
            saving.export(os.path.join(self.folder, "nowhere"), self.export_dir + "2")
        self.assertFalse(os.path.exists(self.export_dir + "2"))


class ReadExportConfigTest(unittest.TestCase):
    def test_refusals(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertIsNone(read_export_config(folder))
            for content, message in (("{", "export_config.json must be a JSON object"),
                                     ("{}", "must hold an object with the key \"fingerprint\"")):
                with open(os.path.join(folder, "export_config.json"), "w", encoding="utf-8") as file:
                    file.write(content)
                with self.assertRaisesRegex(ValueError, message):
                    read_export_config(folder)


if __name__ == "__main__":
    unittest.main()
