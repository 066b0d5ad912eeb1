import dataclasses
import json
import os
import tarfile
import tempfile
import unittest
from unittest import mock

import cv2
import keras
import numpy as np

from delg.networks import model_files
from delg.networks.backbones import resnet18
from hashing.data import set_folders
from hashing.experiments import chain, presets
from hashing.networks import model_dir
from tests.fixtures import published_sets

_NETWORK = {"backbone": "resnet18", "backbone_weights": "none", "image_size": 32}


def _write_classes(directory, num_classes=4, images_per_class=12):
    generator = np.random.default_rng(0)
    for label in range(num_classes):
        colour = generator.integers(0, 255, 3)
        os.makedirs(f"{directory}/kind {label}")
        for number in range(images_per_class):
            image = np.clip(colour + generator.normal(0, 20, (40, 40, 3)), 0, 255).astype(np.uint8)
            cv2.imwrite(f"{directory}/kind {label}/{number}.jpg", image)


def _small_network(width, batch_norm):
    """Two convolutions: what is tested is the chain, and building ResNet-18 a dozen times takes long."""
    images = keras.Input((None, None, 3))
    maps = batch_norm(name="shifts")(keras.layers.Conv2D(16, 8, 8, use_bias=False)(images))
    maps = keras.layers.ReLU(name="layer3_1_out")(maps)
    deep = keras.layers.Conv2D(16, 2, 2, activation="relu", name="layer4_1_out")(maps)
    return keras.Model(images, deep)


class _ChainTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        network = mock.patch.object(resnet18, "build_resnet18", _small_network)
        network.start()
        cls.addClassCleanup(network.stop)


class RunTest(_ChainTest):
    """The form of metrics.json, and that a second run does nothing anew."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        _write_classes(f"{folder.name}/data")
        cls.settings = dataclasses.replace(presets.smoke(presets.photographs(
            f"{folder.name}/out", f"{folder.name}/data", _NETWORK)), code_sizes=(8, 20))
        cls.metrics = chain.run(cls.settings)
        with open(cls.settings.path("metrics.json"), encoding="utf-8") as file:
            cls.stored = json.load(file)

    def test_metrics_of_every_method_and_size(self):
        stored = self.stored
        self.assertEqual(stored, self.metrics)
        for part in (stored, stored["unseen"]):
            self.assertIn("mAP", part["real_valued"])
            self.assertLessEqual(part["best"]["8"]["mAP_in_all"], 100)
            for method in ("paper2019", "best", "best_adapted", "pca_sign", "itq", "itq_adapted"):
                sizes = ["8"] if method.startswith(("pca", "itq")) else ["8", "20"]  # of 16 components
                self.assertEqual(list(part[method]), sizes)
                for scores in part[method].values():
                    self.assertTrue(0 < scores["mAP"] <= 100)
                    self.assertGreater(scores["seconds"], 0)
        self.assertLessEqual({"best", "best_adapted", "paper2019"},
                             set(os.listdir(self.settings.path("models"))))
        self.assertGreater(stored["best_adapted"]["8"]["seconds"], stored["best"]["8"]["seconds"])
        self.assertEqual(stored["best"]["8"]["seconds"], stored["best"]["20"]["seconds"])
        self.assertEqual(stored["best"]["8"]["num_queries"], 9)  # 3 of 12 images of each of 3 classes
        self.assertEqual(stored["best"]["8"]["num_index"], 27)
        self.assertEqual(stored["unseen"]["best"]["8"]["num_queries"], 3)
        self.assertEqual(stored["unseen"]["best"]["8"]["num_index"], 9)
        self.assertTrue(os.path.exists(self.settings.path("report", "index.html")))

    def test_the_page_says_what_adapted_codes_are(self):
        with open(self.settings.path("report", "index.html"), encoding="utf-8") as file:
            page = file.read()
        found = self.stored["unseen"]["best_adapted"]["20"]["mAP_in_all"]
        self.assertIn(f"{found:.1f} for best_adapted, whose codes are fitted to the images of the", page)

    def test_finished_stages_are_kept(self):
        with mock.patch.object(chain.encoding.Encoder, "encode", side_effect=AssertionError), \
                mock.patch.object(chain.adaptation, "fit_code_layer", side_effect=AssertionError), \
                mock.patch.object(chain.loop, "train"):
            again = chain.run(self.settings)
        self.assertEqual(again["best"]["8"], self.metrics["best"]["8"])

    def test_a_training_that_was_broken_off_begins_anew(self):
        settings = presets.of_lengths(self.settings, (8, 24), apart=True)
        model_dir = settings.path("models", "best_24")
        os.makedirs(model_dir)
        found = []

        def train(config):
            found.append((os.path.exists(config.model_dir), config.prefix_sizes))
            os.makedirs(config.model_dir, exist_ok=True)

        with mock.patch.object(chain.loop, "train", train):
            seconds = chain._train(settings, "best", 24)
            self.assertEqual(chain._train(settings, "best", 24), seconds)
        self.assertEqual(found, [(False, ()), (True, ())])


    def test_codes_are_adapted_to_all_images_but_queries_where_these_are_enough(self):
        adapted = model_files.read_config(self.settings.path("models", "best_adapted"))["adapted"]
        self.assertEqual(adapted["index_pattern"], [self.settings.pattern(split) for split in (
            "train", "validation", "heldout")])
        for longest, does in ((36, True), (40, False)):  # 36 images of the index
            settings = dataclasses.replace(self.settings, code_sizes=(8, longest))
            self.assertEqual(chain._adapts(settings), does)
        self.assertFalse(chain._adapts(dataclasses.replace(self.settings, adaptation=None)))


class PhotographsTest(unittest.TestCase):
    def test_a_vision_transformer_has_no_top_to_train(self):
        for backbone, has_top in (("mobilenet_v2", True), ("vit_b32", False), ("dinov2_vits14", False)):
            network = {**_NETWORK, "backbone": backbone}
            trained = presets.photographs("out", "data", network).trained
            self.assertEqual(trained["best"].top_steps > 0, has_top)


class FurtherPresetsTest(unittest.TestCase):
    def test_on_photographs_they_are_trained_in_the_steps_of_best(self):
        settings = presets.with_presets(presets.photographs("out", "data", _NETWORK),
                                        ("orthohash", "asymmetric"))
        self.assertEqual(list(settings.trained), ["paper2019", "best", "orthohash", "asymmetric"])
        best, orthohash = settings.trained["best"], settings.trained["orthohash"]
        self.assertEqual((orthohash.head_steps, orthohash.num_steps, orthohash.prefix_sizes),
                         (best.head_steps, best.num_steps, best.prefix_sizes))
        self.assertEqual((orthohash.center_loss, orthohash.mining), ("orthohash", "none"))
        for config in presets.smoke(settings).trained.values():
            self.assertEqual(config.image_size, 32)

    def test_one_that_does_not_go_with_these_steps_is_refused_before_any_training(self):
        with self.assertRaisesRegex(ValueError, "`asymmetric_weight` needs `num_steps` of 0"):
            presets.with_presets(presets.demo("out", _NETWORK), ("asymmetric",))


class PublicSetsTest(_ChainTest):
    """From archives as they are published to the folder that shards are built from, and to a table."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def _pack(self, archive, source, names, top=""):
        mode = "w:gz" if archive.endswith("gz") else "w"
        with tarfile.open(os.path.join(self.folder, archive), mode) as tar:
            for name in names:
                tar.add(os.path.join(source, name), os.path.join(top, name))

    def _write_set(self, dataset):
        with tempfile.TemporaryDirectory() as source:
            if dataset == "cub":
                published_sets.write_cub(source, num_images=40)
                self._pack("CUB_200_2011.tgz", source, sorted(os.listdir(source)), "CUB_200_2011")
            else:
                published_sets.write_dogs(source, num_images=40)
                self._pack("images.tar", source, ["Images"])
                self._pack("lists.tar", os.path.join(source, "lists"), sorted(os.listdir(f"{source}/lists")))

    def test_from_the_archives_of_cub_to_the_table(self):
        self.check("cub", ("paper2019", "best"))

    def test_from_the_archives_of_dogs_to_the_table(self):
        self.check("dogs", ("best",))

    def check(self, dataset, trained):
        self._write_set(dataset)
        settings = presets.smoke(presets.public_set(
            dataset, f"{self.folder}/{dataset}", self.folder, _NETWORK))
        settings = dataclasses.replace(settings, code_sizes=(8,), trained={
            method: settings.trained[method] for method in trained})
        metrics = chain.run(settings)
        self.assertNotIn("unseen", metrics)
        for method in (*trained, "pca_sign", "itq"):
            scores = metrics[method]["8"]
            self.assertTrue(0 < scores["mAP"] <= 100)
            self.assertEqual((scores["num_queries"], scores["num_index"]), (40, 40))
        self.assertIn("validation-00000-of-00001.h5", os.listdir(settings.path("codes", "best")))
        for method in trained:  # training begins with these at 0
            name = {"paper2019": "paper2019_8"}.get(method, method)  # each length as published
            network = model_dir.load_hashing(settings.path("models", name))[0]
            taps = network.get_layer("backbone").get_layer("resnet18")
            moved = [np.any(weights != 0) for weights in (
                taps.get_layer("shifts").beta, taps.get_layer("layer4_1_out").bias,
                network.get_layer("code_layer").bias)]
            self.assertEqual(moved, [method == "paper2019", True, True])  # `best`: the last layers

    def test_figures_on_images_of_imagenet_are_said_to_be_too_good(self):
        published_sets.write_cub(f"{self.folder}/unpacked/CUB_200_2011")
        os.makedirs(f"{self.folder}/Images")
        for dataset, weights, is_warned in (("dogs", "imagenet", True), ("dogs", "a_file.h5", True),
                                            ("dogs", "none", False), ("cub", "imagenet", False)):
            network = {**_NETWORK, "backbone_weights": weights}
            found = chain._warnings(presets.public_set(dataset, "out", self.folder, network))
            self.assertEqual("The images of dogs are ImageNet's" in "".join(found), is_warned)

    def test_a_set_that_lies_unpacked_is_found(self):
        published_sets.write_cub(f"{self.folder}/unpacked/CUB_200_2011")
        for data_dir in (self.folder, f"{self.folder}/unpacked/CUB_200_2011"):
            self.assertEqual(set_folders.find_images_dir("cub", data_dir, "unused"),
                             f"{self.folder}/unpacked/CUB_200_2011")

    def test_neither_set_nor_archives(self):
        with self.assertRaisesRegex(FileNotFoundError, "the set dogs or its archives images.tar, annotation"):
            set_folders.find_images_dir("dogs", self.folder, "unused")


if __name__ == "__main__":
    unittest.main()
