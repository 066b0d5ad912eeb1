import json
import os
import tempfile
import unittest

import cv2
import keras
import numpy as np
import tensorflow as tf

from data_prep.records.pipeline import Example
from delg.exports.export_config import read_export_config
from delg.features import reader as features_reader
from delg.index import building
from delg.networks import model_files
from delg.photometric.translation import Translator
from delg.scores import evaluation
from delg.search import retrieval
from delg.settings.index import IndexConfig
from delg.settings.search import SearchConfig
from tests.fixtures import tiny_day_night, tiny_vae
from vae.data.photographs import read_photographs
from vae.latents import encoding, export
from vae.latents.latents import LatentEncoder
from vae.networks.config import ModelConfig
from vae.networks.model import build_vae


def setUpModule():
    global _folder, _model_dir, _saved_model
    tiny_vae.use()
    _folder = tempfile.TemporaryDirectory()
    tiny_day_night.write_shards(_folder.name)
    _model_dir, _saved_model = (os.path.join(_folder.name, name) for name in ("model", "saved_model"))
    config = ModelConfig(image_size=32, width=1 / 32, descriptor_grid=2)
    model = build_vae(config)
    os.makedirs(_model_dir)
    model_files.write_config(_model_dir, {"model": vars(config)})
    model_files.save_weights(model, model_files.weight_path(_model_dir, "last"))
    export.export_vae(_model_dir, _saved_model)


def tearDownModule():
    _folder.cleanup()


class ExportTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.signatures = tf.saved_model.load(_saved_model).signatures
        cls.encoder = LatentEncoder(_model_dir)
        cls.images = np.stack([tiny_day_night.picture(place, 0, "night") for place in range(2)])

    def test_signatures_give_what_the_model_gives(self):
        self.assertEqual(set(self.signatures), {"encode_day", "encode_night", "day_to_night", "night_to_day"})
        encoded = self.signatures["encode_night"](images=tf.constant(self.images))
        np.testing.assert_allclose(encoded["latent"], self.encoder.encode(self.images, "night")["latent"],
                                   atol=1e-4)
        np.testing.assert_allclose(encoded["descriptor"], self.encoder.describe(self.images, "night"),
                                   atol=1e-5)
        translated = self.signatures["night_to_day"](images=tf.constant(self.images))["images"]
        np.testing.assert_allclose(translated, self.encoder.translate(self.images, "night"), atol=1)

    def test_images_of_any_size(self):
        images = np.zeros((1, 37, 50, 3), np.uint8)
        self.assertEqual(self.signatures["day_to_night"](images=tf.constant(images))["images"].shape,
                         (1, 37, 50, 3))
        self.assertEqual(self.signatures["encode_day"](images=tf.constant(images))["latent"].shape,
                         (1, 8, 8, 8))

    def test_is_a_translator_of_images_before_they_are_described(self):
        for name, domain in (("day_to_night", "day"), ("night_to_day", "night")):
            translated, = self.encoder.translate(self.images[:1], domain)
            translator = Translator(_saved_model, name, relight=False)
            np.testing.assert_allclose(translator(self.images[0]).astype(int), translated, atol=1)
        self.assertEqual(Translator(_saved_model, name)(np.zeros((37, 50, 3), np.uint8)).shape, (37, 50, 3))
        with self.assertRaisesRegex(ValueError, "day_to_night, encode_day, .*Received: 'to_day'"):
            Translator(_saved_model, "to_day")
        with self.assertRaisesRegex(ValueError, "take and give images.*'encode_day' of"):
            Translator(_saved_model, "encode_day")

    def test_a_finished_export_is_kept_and_another_refused(self):
        path = os.path.join(_saved_model, "saved_model.pb")
        before = os.stat(path).st_mtime_ns
        config = export.export_vae(_model_dir, _saved_model)
        self.assertEqual(os.stat(path).st_mtime_ns, before)
        self.assertEqual(read_export_config(_saved_model), config)
        with self.assertRaisesRegex(ValueError, "must be empty or an earlier export"):
            export.export_vae(_model_dir, _folder.name)


class UntrainedTest(unittest.TestCase):
    def test_is_the_stem_with_its_latents_centred_on_training_photographs(self):
        encoder, photographs = self._untrained()
        for domain in ("day", "night"):
            latents = encoder.encode(photographs.images[photographs.rows(domain)], domain)["latent"]
            self.assertEqual(latents.shape[1:], (2, 2, 32))
            self.assertGreater(np.abs(latents).max(), 1e-3)
            np.testing.assert_allclose(latents.mean(axis=0), 0, atol=1e-4)

    def test_is_whitened_where_asked_and_the_model_is(self):
        plain, photographs = self._untrained(whiten_latent=True, weigh_parts=True)
        white, _ = self._untrained(whitened=True, whiten_latent=True)
        weighed, _ = self._untrained(whitened=True, whiten_latent=True, weigh_parts=True)
        images = photographs.images[photographs.rows("night")]
        found = [each.encode(images, "night")["latent"] for each in (plain, white, weighed)]
        for before, after in zip(found, found[1:]):
            self.assertGreater(np.abs(after - before).max(), 0.1 * np.abs(before).max())

    def _untrained(self, whitened=False, **changes):
        config = ModelConfig(image_size=32, width=1 / 32, descriptor_grid=2, center_latent=True,
                             stem="resnet18", stem_width=0.125, **changes)
        with tempfile.TemporaryDirectory() as folder:
            model_files.write_config(folder, {"model": vars(config), "train": {"stem_weights": "none"}})
            photographs = read_photographs(f"{_folder.name}/train-*", 32)
            keras.utils.set_random_seed(0)  # of the stem
            return LatentEncoder.untrained(folder, photographs, whitened), photographs

    def test_there_is_none_of_a_model_from_nothing(self):
        self.assertIsNone(LatentEncoder.untrained(_model_dir, None))


class EncodeImagesTest(unittest.TestCase):
    def test_search_and_evaluation_work_on_the_features(self):
        """Night images look for the day images of their place, through delg's index, search and scores."""
        features, index_dir, ranking, truth = (os.path.join(_folder.name, name) for name in (
            "features", "index", "ranking.h5", "gnd.json"))
        paths = encoding.encode_images(_saved_model, f"{_folder.name}/validation-*", features)
        self.assertEqual([os.path.basename(path) for path in paths],
                         ["validation-00000-of-00002.h5", "validation-00001-of-00002.h5"])
        with features_reader.FeatureReader(features) as reader:
            ids = reader.ids
            self.assertEqual(reader.num_local_features.tolist(), [0] * 16)
            row = ids.index("6_1_night")
            expected = LatentEncoder(_model_dir).describe(
                tiny_day_night.picture(6, 1, "night")[np.newaxis], "night")
            np.testing.assert_allclose(reader.global_descriptors[row], expected[0], atol=1e-5)
        before = [os.stat(path).st_mtime_ns for path in paths]
        encoding.encode_images(_saved_model, f"{_folder.name}/validation-*", features)
        self.assertEqual([os.stat(path).st_mtime_ns for path in paths], before)

        building.build_index(features, index_dir, IndexConfig(index_type="exact"))
        retrieval.search(features, features, index_dir, ranking, SearchConfig(num_rerank=0), num_workers=1)
        gnd = []
        for image in ids:  # images of the other domain and the place are sought, itself is no result
            place, _, domain = image.split("_")
            positives = [number for number, other in enumerate(ids)
                         if other.startswith(f"{place}_") and not other.endswith(domain)]
            gnd.append({"easy": positives, "hard": [], "junk": [ids.index(image)], "bbx": [0, 0, 32, 32]})
        with open(truth, "w", encoding="utf-8") as file:
            json.dump({"imlist": ids, "qimlist": ids, "gnd": gnd}, file)
        result = evaluation.evaluate(ranking, truth)
        self.assertEqual(result["num_queries"], 16)
        self.assertTrue(0 < result["global"]["easy"]["mAP"] <= 100)

    def test_refuses_an_image_without_domain(self):
        describer = encoding.DayNightDescriber(_saved_model)
        encoded = cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
        with self.assertRaisesRegex(ValueError, "by day or by night.*domain='' of image x"):
            describer.describe_or_refuse(Example("x", encoded, 0, 8, 8, None, ""))

    def test_refuses_what_is_no_exported_vae(self):
        with self.assertRaisesRegex(FileNotFoundError, "`saved_model` .* No saved_model.pb in: .*model"):
            encoding.DayNightDescriber(_model_dir)
        with tempfile.TemporaryDirectory() as folder:
            tf.saved_model.save(tf.Module(), folder)
            with self.assertRaisesRegex(ValueError, "must be made by vae.export_model"):
                encoding.DayNightDescriber(folder)


if __name__ == "__main__":
    unittest.main()
