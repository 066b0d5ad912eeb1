"""Tests of vae.scores.translation."""

import unittest

import numpy as np

from tests.fixtures.fake_encoder import FakeEncoder
from vae.data.photographs import Photographs
from vae.scores import translation


def _photographs(pairs):
    rng = np.random.default_rng(0)
    days = rng.integers(40, 250, (2, 16, 16, 3), dtype=np.uint8)
    images = np.concatenate([days, (days * 0.3).astype(np.uint8)])
    return Photographs(list("abcd"), images, np.array([0, 0, 1, 1], bool), np.array([0, 1, 0, 1]), pairs)


class CompareTest(unittest.TestCase):
    def test_equal_images(self):
        image = np.random.default_rng(0).integers(0, 255, (16, 16, 3), dtype=np.uint8)
        np.testing.assert_allclose(translation.compare(image, image), [0, 1, 0], atol=1e-6)

    def test_by_hand(self):  # grey has neither a nor b; L1 is the step
        dark, light = np.full((16, 16, 3), 100, np.uint8), np.full((16, 16, 3), 130, np.uint8)
        difference, _, colour = translation.compare(dark, light)
        self.assertEqual(difference, 30)
        self.assertLess(colour, 0.1)

    def test_inverted_colours_are_far_whatever_the_structure(self):
        image = np.zeros((16, 16, 3), np.uint8)
        image[..., 0] = 200
        self.assertGreater(translation.compare(image, image[..., ::-1].copy())[2], 100)


class JudgeTranslationTest(unittest.TestCase):
    def test_the_true_translation_is_nearer_than_the_image_itself(self):
        result = translation.judge_translation(FakeEncoder(), _photographs(["x", "y", "x", "y"]))
        for scores in result.values():
            self.assertEqual(scores["num_pairs"], 2)
            self.assertLess(scores["L1"], 3)
            self.assertGreater(scores["L1_untranslated"], 60)
            self.assertGreater(scores["SSIM"], scores["SSIM_untranslated"])
            self.assertGreater(scores["L1_gain_interval"][0], 0)
            self.assertGreater(scores["SSIM_gain_interval"][0], 0)

    def test_features_of_the_true_translation_are_nearer(self):
        def brightness(images):  # on the unit circle
            angles = images.mean(axis=(1, 2, 3)) / 255.0
            return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)

        photographs = _photographs(["x", "y", "x", "y"])
        scores = translation.judge_translation(
            FakeEncoder(), photographs, describe=brightness)["day_to_night"]
        day, night = (photographs.images[rows].mean(axis=(1, 2, 3)) / 255.0
                      for rows in photographs.paired_rows().T)
        self.assertAlmostEqual(scores["features_untranslated"],
                               (2.0 * np.sin((day - night) / 2.0)).mean(), delta=1e-3)
        self.assertLess(scores["features"], 0.02)
        self.assertGreater(scores["features_gain_interval"][0], 0)

    def test_without_pairs_there_is_nothing_to_judge(self):
        self.assertEqual(translation.judge_translation(FakeEncoder(), _photographs([""] * 4)), {})


if __name__ == "__main__":
    unittest.main()
