"""delg.experiments.chain: whole runs on photographs made here, and folders that cannot be used."""

import dataclasses
import functools
import json
import os
import tempfile
import unittest
from unittest import mock

import cv2
import numpy as np

from delg.experiments import chain, presets
from delg.features.reader import FeatureReader
from delg.features.simulated_views import ANGLES
from delg.scores.ranking import read_ranking
from delg.settings.extraction import ExtractConfig
from delg.settings.index import IndexConfig
from delg.settings.search import SearchConfig
from delg.settings.training import TrainConfig
from delg.settings.untrained import UntrainedConfig
from delg.untrained.exporting import export_untrained
from tests.fixtures import tiny_trainings

_LANDMARKS = ("arch", "dome", "gate", "tower")


def _write_photographs(folder, landmarks=_LANDMARKS, views=3):
    """jpg/, gnd.json and landmarks.json: the first view of each landmark is a query; two distractors."""
    generator = np.random.default_rng(0)
    os.makedirs(os.path.join(folder, "jpg"))
    image_landmark, index, queries = {}, [], []
    for landmark in (*landmarks, None, None):
        texture = cv2.resize(generator.integers(0, 255, (8, 8, 3), dtype=np.uint8), (80, 64))
        for view in range(views if landmark else 1):
            name = f"{landmark or 'distractor'}_{len(image_landmark)}"
            image_landmark[name] = landmark
            (queries if landmark and view == 0 else index).append(name)
            cv2.imwrite(os.path.join(folder, "jpg", f"{name}.jpg"), np.roll(texture, 4 * view, axis=1))
    truth = [{"bbx": [0, 0, 80, 64], "hard": [], "junk": [],
              "easy": [row for row, name in enumerate(index)
                       if image_landmark[name] == image_landmark[query]]}
             for query in queries]
    with open(os.path.join(folder, "gnd.json"), "w", encoding="utf-8") as file:
        json.dump({"imlist": index, "qimlist": queries, "gnd": truth}, file)
    with open(os.path.join(folder, "landmarks.json"), "w", encoding="utf-8") as file:
        json.dump({"image_landmark": image_landmark}, file)


def _experiment(output_dir):
    return chain.Experiment(
        output_dir=output_dir, title="tiny",
        model=TrainConfig("", "", backbone="resnet18", width=0.125, backbone_weights="none", embedding_dim=8,
                          autoencoder_dim=8, attention_dim=8, image_size=32, batch_size=2, num_steps=1,
                          steps_per_epoch=1),
        extract=ExtractConfig(max_image_size=80, global_scales=(1.0,), local_scales=(1.0,),
                              max_num_features=8, precision="float32"),
        search=SearchConfig(num_rerank=3, min_inliers=4), heldout_class_fraction=0.0, validation_fraction=0.0)


class PresetsTest(unittest.TestCase):
    def test_weights_decide_what_real_photographs_get(self):
        package, file = presets.real("out", "package"), presets.real("out", "m.h5")
        self.assertEqual(package.model, UntrainedConfig("efficientnet_lite2"))
        self.assertEqual((file.model.backbone, file.model.backbone_weights), ("mobilenet_v2", "m.h5"))


def setUpModule():
    tiny_trainings.use()


class PhotographsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.data = os.path.join(self.folder, "data")
        _write_photographs(self.data)

    def test_one_folder_is_split_by_landmark(self):
        output = os.path.join(self.folder, "out")
        metrics = chain.run_on_photographs(_experiment(output), self.data)
        with open(os.path.join(output, "train_shards", "dataset.json"), encoding="utf-8") as file:
            trained = set(json.load(file)["labels"])
        with FeatureReader(os.path.join(output, "features", "*.h5")) as features:
            evaluated = {name.split("_")[0] for name in features.ids}
        self.assertEqual(len(trained), 2)
        self.assertEqual(evaluated, set(_LANDMARKS) - trained | {"distractor"})
        self.assertEqual(metrics["num_queries"], 2)
        for name in ("metrics.json", "untrained_metrics.json", "ranking.h5", "report/index.html",
                     "saved_model/saved_model.pb"):
            self.assertTrue(os.path.exists(os.path.join(output, name)), name)

    def test_a_model_with_heads_is_whitened_alone(self):
        output = os.path.join(self.folder, "out")
        experiment = dataclasses.replace(
            _experiment(output), model=UntrainedConfig("resnet18", local_dim=8),
            local_index=IndexConfig(index_type="binary_asmk"), query_views=True,
            search=SearchConfig(num_rerank=3, min_inliers=4, evidence="global,asmk,geometry,neighbors"))
        with mock.patch.object(chain.exporting, "export_untrained", lambda model, weights, folder: (
                export_untrained(model, "none", folder, os.path.join(self.data, "jpg")))):
            metrics = chain.run_on_photographs(experiment, self.data)
        self.assertEqual([name for name in metrics if name.startswith("global")],
                         ["global", "global+asmk+neighbors"])
        reader = functools.partial(os.path.join, output)
        with FeatureReader(reader("features")) as whitened, \
                FeatureReader(reader("untrained", "features")) as before, \
                np.load(reader("whitening.npz")) as whitening:
            self.assertEqual(whitened.ids, before.ids)
            self.assertEqual(whitened.config["whitening"]["num_images"], 6)
            expected = before.global_descriptors @ whitening["projection"]
            expected /= np.linalg.norm(expected, axis=1, keepdims=True)
            np.testing.assert_allclose(whitened.global_descriptors, expected, atol=1e-5)
        with FeatureReader(reader("query_views")) as views, FeatureReader(reader("features")) as features:
            self.assertTrue(views.config["simulated_views"])
            self.assertEqual(views.config["whitening"], features.config["whitening"])
            queries = [name for name in features.ids if f"{name}@0" in views.ids]
            self.assertEqual(len(views.ids), len(ANGLES) * len(queries))
        for folder in ("untrained", ""):
            ranking = read_ranking(reader(folder, "ranking.h5"))
            self.assertEqual(sorted(ranking.query_ids), sorted(queries))
            self.assertEqual(ranking.config["query_view_features"], reader(folder, "query_views"))
        self.assertFalse(os.path.exists(reader("model")))

    def test_split_keeps_the_positives_of_each_query(self):
        output = os.path.join(self.folder, "split")
        truth_path, _ = chain._split_by_landmark(self.data, output, seed=0)
        with open(truth_path, encoding="utf-8") as file:
            truth = json.load(file)
        for query, entry in zip(truth["qimlist"], truth["gnd"]):
            self.assertEqual([truth["imlist"][row].split("_")[0] for row in entry["easy"]],
                             [query.split("_")[0]] * 2)

    def test_refuses_folders_that_share_a_landmark(self):
        other = os.path.join(self.folder, "other")
        _write_photographs(other, ("dome", "villa"))
        with self.assertRaisesRegex(ValueError, "must not share .* Received: 1 in both, such as 'dome'"):
            chain.run_on_photographs(_experiment(os.path.join(self.folder, "out")), self.data, other)

    def test_refuses_a_single_landmark(self):
        single = os.path.join(self.folder, "single")
        _write_photographs(single, ("dome",))
        with self.assertRaisesRegex(ValueError, "at least two landmarks to be split. Received: 1"):
            chain.run_on_photographs(_experiment(os.path.join(self.folder, "out")), single)

    def test_names_the_file_that_is_missing(self):
        os.remove(os.path.join(self.data, "landmarks.json"))
        with self.assertRaisesRegex(FileNotFoundError, "landmarks.json"):
            chain.run_on_photographs(_experiment(os.path.join(self.folder, "out")), self.data)
