import dataclasses
import os
import tempfile
import unittest
from unittest import mock

import numpy as np

from delg.exports.export_config import read_export_config
from delg.networks.backbone import build_backbone
from delg.photometric.translation import Translator
from tests.fixtures import tiny_backbone, tiny_day_night
from vae.data.photographs import read_photographs
from vae.training import detail_translation
from vae.training.translator_config import TranslatorConfig


def setUpModule():
    global _folder, _base
    tiny_backbone.use()
    _folder = tempfile.TemporaryDirectory()
    tiny_day_night.write_shards(_folder.name)
    _base = TranslatorConfig(
        f"{_folder.name}/train-*", f"{_folder.name}/translator", backbone="resnet18", backbone_weights="none",
        image_size=32, crop_size=32, batch_size=4, num_steps=30, learning_rate=5e-3)


def tearDownModule():
    _folder.cleanup()


def _other(name, **changes):
    return dataclasses.replace(_base, export_dir=f"{_folder.name}/{name}", **changes)


class TrainTranslatorTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.exported = detail_translation.train_translator(_base)

    def test_translations_come_nearer_to_the_true_view_both_ways(self):
        photographs = read_photographs(f"{_folder.name}/validation-*", 32)  # other places
        pairs = photographs.paired_rows()
        for signature, (source, truth) in {"day_to_night": (0, 1), "night_to_day": (1, 0)}.items():
            images, truths = (photographs.images[pairs[:, side]] for side in (source, truth))
            translated = Translator(_base.export_dir, signature).translate_all(images)
            before, after = (np.abs(found.astype(float) - truths).mean() for found in (images, translated))
            self.assertLess(after, 0.8 * before, signature)

    def test_photographs_of_any_size_keep_it_and_are_not_relit_besides(self):
        translator = Translator(_base.export_dir, "night_to_day", relight=True)
        self.assertNotIn("relit", translator.settings)
        image = np.random.default_rng(0).integers(0, 99, (19, 33, 3)).astype(np.uint8)
        with mock.patch("delg.photometric.translation.relit", side_effect=AssertionError):
            self.assertEqual(translator(image).shape, image.shape)

    def test_a_finished_one_is_kept_and_others_are_refused(self):
        with mock.patch.object(detail_translation, "read_photographs", side_effect=AssertionError):
            self.assertEqual(detail_translation.train_translator(_base)["fingerprint"],
                             self.exported["fingerprint"])
            with self.assertRaisesRegex(ValueError, "empty or hold .* differ: num_steps. .*translator"):
                detail_translation.train_translator(dataclasses.replace(_base, num_steps=3))
        with self.assertRaisesRegex(ValueError, "`export_dir` must be empty or hold the model"):
            detail_translation.train_translator(dataclasses.replace(_base, export_dir=_folder.name))
        self.assertEqual(read_export_config(_base.export_dir)["kind"], "detail_translator")

    def test_the_same_seed_gives_the_same_weights(self):
        with mock.patch.object(detail_translation.saving, "write_export"), \
                mock.patch.object(detail_translation, "DOMAINS", ("night",)):
            found = [detail_translation.train_translator(_other("again", num_steps=1))["fingerprint"]
                     for _ in range(2)]
        self.assertEqual(*found)

    def test_weights_that_do_not_stay_finite_leave_nothing_behind(self):
        config = _other("wild", num_steps=2, learning_rate=1e38)
        with self.assertRaisesRegex(ValueError, "must stay finite; .*learning_rate=1e\\+38"):
            detail_translation.train_translator(config)
        self.assertFalse(os.path.exists(config.export_dir))


class InputTest(unittest.TestCase):
    def test_shards_without_pairs(self):
        photographs = read_photographs(_base.train_pattern, 32)
        alone = dataclasses.replace(photographs, pairs=[""] * len(photographs))
        with mock.patch.object(detail_translation, "read_photographs", return_value=alone), \
                self.assertRaisesRegex(ValueError, "`train_pattern` must hold pairs, two images of one view"):
            detail_translation.train_translator(_other("alone"))

    def test_settings(self):
        with self.assertRaisesRegex(ValueError, "`crop_size` must be a multiple of 16, at most `image_size`"):
            _other("crop", crop_size=24)
        with self.assertRaisesRegex(ValueError, "`crop_size` must .* crop_size=48, image_size=32"):
            _other("crop", crop_size=48)
        with self.assertRaisesRegex(ValueError, "`backbone` must give a local and a global map.*vit_b32"):
            _other("vit", backbone="vit_b32")

    def test_parts_of_a_pair_are_of_one_place(self):
        photographs = read_photographs(_base.train_pattern, 32)
        config = _other("parts", crop_size=16, num_steps=4)
        for domain, share in (("night", 4), ("day", 0.25)):
            for inputs, _ in detail_translation._batches(photographs, domain, config):
                lit = np.clip(inputs["images"] * share, 0, 255)
                np.testing.assert_allclose(lit, inputs["truths"], atol=4)  # night is a quarter of day


class MapDistancesTest(unittest.TestCase):
    def test_by_hand(self):
        found = np.array([[[[1.0, 0], [0, 2]]], [[[1, 1], [3, 0]]]], np.float32)  # [2, 1, 2, 2]
        aim = np.array([[[[2.0, 0], [0, 1]]], [[[1, -1], [-3, 0]]]], np.float32)
        np.testing.assert_allclose(detail_translation.map_distances(found, aim), [0, 1.5], atol=1e-6)

    def test_the_backbone_is_looked_at_as_it_is(self):
        backbone = build_backbone("resnet18", 1.0, "none")
        before = [weight.copy() for weight in backbone.get_weights()]
        backbone.trainable = False
        photographs = read_photographs(_base.train_pattern, 32)
        detail_translation._train(photographs, "night", backbone, _other("frozen", num_steps=2))
        for was, now in zip(before, backbone.get_weights()):
            np.testing.assert_array_equal(was, now)


if __name__ == "__main__":
    unittest.main()
