"""The chain of stages on a tiny world, and its report; the networks are played by a fake."""

import contextlib
import dataclasses
import json
import os
import re
import tempfile
import unittest
from unittest import mock

from tests.fixtures.day_night_shards import write_photographs
from tests.fixtures.fake_encoder import FakeEncoder
from vae.data.photographs import read_photographs
from vae.experiments import chain, presets
from vae.report import page as report_page
from vae.scores import methods
from vae.scores.config import MethodsConfig
from vae.training import loop
from vae.weighting import weight_training


@contextlib.contextmanager
def _fake_networks(trained):
    """No network is trained or read; the settings of trainings go into `trained`."""
    with contextlib.ExitStack() as stack:
        for module in (chain, methods, report_page, weight_training):
            stack.enter_context(mock.patch.object(module, "LatentEncoder", lambda model_dir: FakeEncoder()))
        stack.enter_context(mock.patch.object(chain, "untrained", lambda *_: {}))
        stack.enter_context(mock.patch.object(loop, "train", trained.append))
        stack.enter_context(mock.patch.object(report_page, "load_vae",
                                              lambda model_dir: (None, {"model": {"image_size": 16}})))
        stack.enter_context(mock.patch.object(report_page, "backproject",
                                              lambda model, images, *_: images[..., 0] * 1.0))
        yield


class RunTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder, cls.trained = folder.name, []
        stack = contextlib.ExitStack()
        stack.enter_context(_fake_networks(cls.trained))
        cls.addClassCleanup(stack.close)
        write_photographs(os.path.join(cls.folder, "photographs"), num_places=4, views=1)
        smoke = presets.smoke(os.path.join(cls.folder, "out"), MethodsConfig())
        cls.settings = dataclasses.replace(smoke, world=None, test_fraction=0.5,
                                           data_dir=os.path.join(cls.folder, "photographs"))
        cls.result = chain.run(cls.settings)

    def read(self, *names):
        with open(os.path.join(self.folder, *names), encoding="utf-8") as file:
            return file.read()

    def test_leaves_metrics_of_every_method_and_judged_claims(self):
        self.assertEqual(json.loads(self.read("out", "metrics.json")), self.result)
        for part in ("night_to_day", "day_to_night", "domain_probe"):
            self.assertEqual(list(self.result[part]), [
                name + form for name in ("raw_pixels", "paper", "adversarial", "adversarial_weighted")
                for form in ("", "+clahe")])
        self.assertEqual(set(self.result["absent"]), {"imagenet", "delg"})
        self.assertEqual(len(self.result["claims"]), 7)

    def test_places_are_parted_and_only_training_places_are_trained_on(self):
        self.assertEqual([os.path.basename(config.model_dir) for config in self.trained[:2]],
                         ["paper", "adversarial"])
        self.assertTrue(all(config.train_pattern.endswith("train-*") for config in self.trained))
        self.assertEqual([self.result[name] for name in ("num_places", "num_day", "num_night")], [2, 2, 2])
        places = [set(read_photographs(self.settings.pattern(split), 16).places)
                  for split in ("train", "test")]
        self.assertFalse(places[0] & places[1])

    def test_weights_of_the_original_are_not_shrunk(self):
        found = {name: json.loads(self.read("out", "weights", name, "config.json"))["train"]["shrinkage"]
                 for name in ("paper_1", "paper_2", "adversarial_1")}
        self.assertEqual(found, {"paper_1": 0.0, "paper_2": 0.0, "adversarial_1": 0.5})

    def test_finished_stages_are_kept(self):
        weights = os.path.join(self.settings.weights_dir("adversarial", 1), "channel_weights.json")
        before = os.stat(weights).st_mtime_ns
        with mock.patch.object(chain.evaluation, "evaluate", side_effect=AssertionError):
            self.assertEqual(chain.run(self.settings), self.result)
        self.assertEqual(os.stat(weights).st_mtime_ns, before)

    def test_other_methods_are_evaluated_anew(self):
        changed = dataclasses.replace(self.settings, methods=MethodsConfig(delg_saved_model="model"))
        self.assertIsNotNone(chain._finished(self.settings))
        self.assertIsNone(chain._finished(changed))

    def test_refuses_the_folder_of_an_experiment_on_other_images(self):
        with self.assertRaisesRegex(ValueError, "no experiment on other images.*made with .*photographs"):
            chain.run(dataclasses.replace(self.settings, data_dir="elsewhere"))

    def test_the_page_needs_no_other_file(self):
        page = self.read("out", "report", "index.html")
        sources = re.findall(r'(?:src|href)="([^"]*)"', page)
        self.assertTrue(all(source.startswith(("data:image/jpeg;base64,", "data:application/json;", "#"))
                            for source in sources))
        pictures = 4 + 2 + 2 + 2 * 2 * 3  # grids, weights, gradients, neighbours
        self.assertEqual(sum(source.startswith("data:image") for source in sources), pictures)
        for words in ("VAE, mended, CLAHE", "ImageNet features: absent, no weight file given", "held",
                      "Triplet loss on reported places over Epoch"):
            self.assertIn(words, page)

    def test_the_page_shows_the_channels_and_images_that_were_asked_for(self):
        photographs = read_photographs(self.settings.pattern("test"), 16)
        config = report_page.VisualizeConfig(
            self.settings.output_dir, os.path.join(self.folder, "other"), channels="2,0", image_size=48,
            images=photographs.ids[photographs.rows("night")[0]])
        report_page.make_report(config)
        page = self.read("other", "index.html")
        self.assertIn("channels from the second row: 2, 0", page)
        self.assertIn("By <b>night</b>; layer latent", page)
        self.assertNotIn("By <b>day</b>; layer latent", page)
        with self.assertRaisesRegex(ValueError, "`images` must be ids of reported images.*images='x'"):
            report_page.make_report(dataclasses.replace(config, images="x"))


class SettingsTest(unittest.TestCase):
    def test_refuses_channels_that_are_no_numbers(self):
        with self.assertRaisesRegex(ValueError, "`channels` must be numbers.*channels='1,a'"):
            report_page.VisualizeConfig("in", "out", channels="1,a")

    def test_photographs_are_paired_by_place(self):
        settings = presets.photographs("out", "photographs", MethodsConfig())
        self.assertEqual((settings.adversarial.pairing, settings.world), ("place", None))
        self.assertFalse(settings.adversarial.whiten_latent or settings.adversarial.weigh_parts)

    def test_photographs_start_from_imagenet_where_its_weights_are_given(self):
        methods_config = MethodsConfig(imagenet_weights="file")
        settings = presets.photographs("out", "photographs", methods_config)
        self.assertEqual((settings.adversarial.stem, settings.adversarial.stem_weights, settings.paper.stem),
                         ("mobilenet_v2", "file", "none"))
        for make in (lambda *given: presets.photographs("out", "photographs", *given),
                     lambda *given: presets.demo("out", *given)):
            stem = make(MethodsConfig(imagenet_weights="package")).adversarial
            self.assertEqual((stem.stem, stem.stem_weights), ("efficientnet_lite2", "package"))
        with self.assertLogs(level="WARNING") as logs:
            settings = presets.photographs("out", "photographs", MethodsConfig())
        self.assertIn("starts from nothing, and few photographs teach it little", logs.output[0])
        self.assertEqual(settings.adversarial.stem, "none")
        self.assertIn("without pretrained weights", settings.title)

    def test_pretrained_weights_make_the_demo_do_without_pairs(self):
        alone, weighted = (presets.demo("out", MethodsConfig(imagenet_weights=path)).adversarial
                           for path in ("", "m.h5"))
        self.assertEqual((alone.stem, alone.pairing), ("none", "frame"))
        self.assertEqual((weighted.stem, weighted.stem_weights), ("mobilenet_v2", "m.h5"))
        self.assertEqual((weighted.pairing, weighted.pair_contrast_weight), ("none", 0.0))
        self.assertTrue(alone.whiten_latent and weighted.whiten_latent)

    def test_the_smoke_world_is_tiny(self):
        settings = presets.smoke("out", MethodsConfig())
        self.assertEqual((settings.world.num_places, settings.paper.num_steps), (6, 2))


if __name__ == "__main__":
    unittest.main()
