"""vae.experiment: the chain of stages on a tiny world; the networks are played by a fake."""

import dataclasses
import json
import os
from unittest import mock

from tests.data_prep.temporary_files import FilesTest
from tests.vae.day_night_shards import write_photographs
from tests.vae.fake_encoder import FakeEncoder
from vae import experiment, experiment_presets, methods, training, weight_training
from vae.methods import MethodsConfig


class RunTest(FilesTest):
    def setUp(self):
        super().setUp()
        self.trained = []
        for module in (experiment, methods, weight_training):
            patch = mock.patch.object(module, "LatentEncoder", lambda model_dir: FakeEncoder())
            patch.start()
            self.addCleanup(patch.stop)
        patch = mock.patch.object(training, "train", self.trained.append)
        patch.start()
        self.addCleanup(patch.stop)

    def test_leaves_metrics_of_every_method_and_judged_claims(self):
        settings = experiment_presets.smoke(self.directory, MethodsConfig())
        result = experiment.run(settings)
        with open(self.path("metrics.json"), encoding="utf-8") as file:
            self.assertEqual(json.load(file), result)
        for part in ("night_to_day", "day_to_night", "domain_probe"):
            self.assertEqual(list(result[part]), [
                name + form for name in ("raw_pixels", "paper", "adversarial", "adversarial_weighted")
                for form in ("", "+clahe")])
        self.assertEqual(set(result["absent"]), {"imagenet", "delg"})
        self.assertEqual(len(result["claims"]), 6)
        self.assertEqual([os.path.basename(config.model_dir) for config in self.trained],
                         ["paper", "adversarial"])
        self.assertTrue(all(config.train_pattern.endswith("train-*") for config in self.trained))
        weights = self.path("weights/adversarial_1/channel_weights.json")
        before = os.stat(weights).st_mtime_ns
        experiment.run(settings)
        self.assertEqual(os.stat(weights).st_mtime_ns, before)  # what is finished is kept

    def test_places_of_photographs_are_parted(self):
        write_photographs(self.path("photographs"), num_places=4, views=1)
        smoke = experiment_presets.smoke(self.directory, MethodsConfig())
        settings = dataclasses.replace(smoke, world=None, data_dir=self.path("photographs"),
                                       output_dir=self.path("out"), test_fraction=0.5)
        result = experiment.run(settings)
        self.assertEqual((result["num_places"], result["num_day"], result["num_night"]), (2, 2, 2))

    def test_photographs_are_paired_by_place(self):
        settings = experiment_presets.photographs("out", "photographs", MethodsConfig())
        self.assertEqual((settings.adversarial.pairing, settings.world), ("place", None))
