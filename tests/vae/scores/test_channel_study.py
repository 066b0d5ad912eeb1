"""Tests of vae.scores.channel_study and vae.scores.claims."""

import unittest

import numpy as np

from vae.data.photographs import Photographs
from vae.scores import claims
from vae.scores.channel_study import study_channels
from vae.weighting.config import DISTANCES


class _TwentyFiveChannels:
    """Two channels of a latent know the place, one of them better; the others are noise."""

    layer_names = ("latent",)
    image_size = 16
    descriptor_grid = 1

    def encode(self, images, domain):
        rng = np.random.default_rng(len(domain))
        maps = rng.normal(size=(len(images), 2, 2, 25)).astype(np.float32)
        places = images[:, 0, 0, 0].astype(np.float32)
        maps[..., 7] = (10 * np.cos(places))[:, None, None]
        maps[..., 9] = (10 * np.sin(places))[:, None, None]
        return {"latent": maps}


def _photographs(num_places=12):
    places = np.repeat(np.arange(num_places), 2)
    images = np.zeros((2 * num_places, 16, 16, 3), np.uint8)
    images[...] = places[:, None, None, None]
    return Photographs([str(row) for row in range(len(places))], images, np.arange(len(places)) % 2 == 1,
                       places, [str(place) for place in places])


class StudyChannelsTest(unittest.TestCase):
    def test_two_channels_of_25_carry_the_loss(self):
        weights = np.full(25, 0.05, np.float32)
        weights[[7, 9]] = 3.0
        study = study_channels(_TwentyFiveChannels(), _photographs(), weights, DISTANCES["pooled"], 0.3, 5)
        self.assertLess(study["weighted"]["loss"], study["unweighted"]["loss"])
        self.assertLess(study["weighted"]["distance_ratio"], study["unweighted"]["distance_ratio"])
        eight = next(entry for entry in study["heaviest"] if entry["share"] == 0.08)
        self.assertEqual(eight["num_channels"], 2)
        self.assertGreater(eight["rest_loss"], 2 * eight["loss"])
        self.assertEqual(study["share_of_weight"], 0.08)
        self.assertTrue(claims._few_channels(study).held)

    def test_equal_weights_are_carried_by_all(self):
        weights = np.ones(25, np.float32)
        study = study_channels(_TwentyFiveChannels(), _photographs(), weights, DISTANCES["paper"], 0.3, 5)
        self.assertEqual(study["weighted"], study["unweighted"])
        self.assertEqual(study["share_of_weight"], 0.92)  # 23 of 25 hold 90 %


def _result(**changes):
    def scores(value):
        return {"mAP": value, "mAP_interval": [value - 5, value + 5]}

    return {"night_to_day": {"paper": scores(30), "imagenet": scores(34)},
            "distance_ratio": {"adversarial": 0.8, "adversarial_weighted": 0.7},
            "silhouette": {"adversarial": 0.1, "adversarial_weighted": 0.2}, **changes}


_STUDY = {"unweighted": {"loss": 0.4, "distance_ratio": 1.1},
          "weighted": {"loss": 0.2, "distance_ratio": 0.9},
          "heaviest": [{"share": 0.08, "num_channels": 2, "loss": 0.3, "rest_loss": 0.5}],
          "share_needed": 0.2, "share_of_weight": 0.3}


class JudgeClaimsTest(unittest.TestCase):
    def judged(self, result=None, study=None, losses=None):
        return claims.judge_claims(result or _result(), study or _STUDY, losses or {1: np.array([0.3])})

    def test_comparable_means_at_least_the_lower_bound(self):
        self.assertTrue(self.judged()[0].held)
        worse = _result()
        worse["night_to_day"]["paper"]["mAP"] = 28.9
        self.assertFalse(self.judged(worse)[0].held)
        del worse["night_to_day"]["imagenet"]
        self.assertIsNone(self.judged(worse)[0].held)

    def test_training_must_gain_five_over_its_own_stem(self):
        gain = {"mAP": 6.0, "mAP_interval": [2.0, 9.0], "R@1": 1.0}
        for least, held in ((6.0, True), (4.9, False)):
            found = self.judged(_result(gains={"adversarial": {"night_to_day": {**gain, "mAP": least}}}))[-1]
            self.assertEqual(found.held, held)
        self.assertIn("Night to day +4.9 mAP (+2.0 to +9.0)", found.evidence)
        self.assertIsNone(self.judged()[-1].held)

    def test_channels_that_lose_more_than_5_percent_do_not_carry_the_loss(self):
        self.assertFalse(self.judged()[1].held)
        self.assertIn("0.300 with the heaviest 2 alone (8 %)", self.judged()[1].evidence)

    def test_clustering_needs_both_models_to_improve(self):
        self.assertTrue(self.judged()[2].held)
        worse = _result(distance_ratio={"adversarial": 0.8, "adversarial_weighted": 0.81})
        self.assertFalse(self.judged(worse)[2].held)

    def test_more_layers_help_where_their_last_losses_are_lower(self):
        flat, falling = np.full(20, 0.3), np.linspace(1, 0.2, 20)
        self.assertFalse(self.judged(losses={1: flat, 3: falling})[3].held)
        self.assertTrue(self.judged(losses={1: falling, 3: flat})[3].held)
        self.assertIsNone(self.judged()[3].held)

    def test_translation_must_be_nearer_both_ways(self):
        better = {"L1": 10.0, "L1_untranslated": 20.0, "SSIM": 0.5, "SSIM_untranslated": 0.4, "colour": 1.0,
                  "colour_untranslated": 2.0, "num_pairs": 3}
        worse = {**better, "SSIM": 0.3}
        found = self.judged(_result(translation={
            "adversarial": {"night_to_day": better, "day_to_night": better},
            "paper": {"night_to_day": better, "day_to_night": worse}, "none": {}}))[4:-1]
        self.assertEqual([claim.held for claim in found], [True, False, None])
        self.assertIn("adversarial", found[0].claim)
        self.assertNotIn("features", found[0].evidence)

    def test_translation_says_the_distance_of_features_where_it_was_measured(self):
        scores = {"L1": 10.0, "L1_untranslated": 20.0, "SSIM": 0.5, "SSIM_untranslated": 0.4, "colour": 1.0,
                  "colour_untranslated": 2.0, "features": 0.25, "features_untranslated": 0.5, "num_pairs": 3}
        found = self.judged(_result(translation={"adversarial": dict.fromkeys(
            ("night_to_day", "day_to_night"), scores)}))[4]
        self.assertIn("features 0.250 against 0.500", found.evidence)


if __name__ == "__main__":
    unittest.main()
