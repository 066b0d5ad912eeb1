"""Tests of vae.scores.evaluation and vae.scores.methods."""

import io
import tempfile
import unittest

import numpy as np
import rich.console

from delg.vectors.unit import unit_vectors
from tests.fixtures import tiny_translator
from vae.data.photographs import Photographs
from vae.scores import evaluation, methods


def _photographs(places, seed=0, size=8):
    """Two images of each place, day and night, whose first pixel says the place."""
    images = np.random.default_rng(seed).integers(0, 40, (2 * len(places), size, size, 3), dtype=np.uint8)
    places = np.repeat(places, 2)
    images[:, 0, 0, 0] = places * 20
    return Photographs([f"{row}" for row in range(len(places))], images,
                       np.arange(len(places)) % 2 == 1, places, [f"{place}" for place in places])


def _knows_place(images, domain):
    return unit_vectors(np.eye(13)[images[:, 0, 0, 0] // 20])


def _knows_domain(images, domain):
    noise = np.random.default_rng(0).normal(size=(len(images), 3)) * 0.1
    told = np.full((len(images), 1), 1.0 if domain == "night" else -1.0)
    return unit_vectors(np.concatenate([told, noise], axis=1))


class EvaluateTest(unittest.TestCase):
    def setUp(self):
        self.reported, self.training = _photographs([1, 2, 3]), _photographs([6, 7, 8, 9, 10])
        self.result = evaluation.evaluate({"place": _knows_place, "domain": _knows_domain}, self.reported,
                                          self.training, {"delg": "no SavedModel given"})

    def test_a_describer_that_knows_the_place_is_perfect(self):
        for direction in evaluation.DIRECTIONS:
            scores = self.result[direction]["place"]
            self.assertEqual((scores["R@1"], scores["mAP"], scores["triplet_accuracy"]), (100, 100, 100))
            self.assertEqual(scores["R@1_interval"], [100, 100])
        self.assertEqual(self.result["distance_ratio"]["place"], 0)
        self.assertEqual(self.result["silhouette"]["place"], 1)
        self.assertAlmostEqual(self.result["chance"], 100 / 3, places=3)

    def test_the_probe_tells_domains_apart_only_where_they_show(self):
        self.assertEqual(self.result["domain_probe"]["domain"], 100)
        self.assertEqual(self.result["domain_probe"]["place"], 50)

    def test_clahe_forms_see_other_pixels(self):
        seen = {}

        def remember(images, domain):
            seen.setdefault(domain, []).append(images.copy())
            return unit_vectors(np.ones((len(images), 2)))

        forms = evaluation.with_clahe({"raw": remember})
        self.assertEqual(list(forms), ["raw", "raw+clahe"])
        for form in forms.values():
            evaluation.describe(form, self.reported)
        plain, equalised = seen["night"]
        np.testing.assert_array_equal(plain, self.reported.images[self.reported.is_night])
        self.assertGreater(equalised.std(), plain.std())

    def test_gains_are_over_the_method_without_what_was_learnt(self):
        result = evaluation.evaluate({"untrained_stem": _knows_domain, "adversarial": _knows_place,
                                      "adversarial_weighted": _knows_place}, self.reported, self.training)
        first, second = result["gains"]["adversarial"], result["gains"]["adversarial_weighted"]
        self.assertEqual((first["over"], second["over"]), ("untrained_stem", "adversarial"))
        before = result["night_to_day"]["untrained_stem"]
        self.assertAlmostEqual(first["night_to_day"]["mAP"], 100 - before["mAP"], places=3)
        self.assertEqual(second["day_to_night"]["mAP_interval"], [0, 0])
        self.assertEqual(self.result["gains"], {})

    def test_the_table_has_every_method_and_what_is_absent(self):
        console = rich.console.Console(file=io.StringIO(), width=80)
        console.print(evaluation.table(self.result))
        text = console.file.getvalue()
        for words in ("place", "domain", "100.0", "100–100", "absent: no SavedModel given", "3 places"):
            self.assertIn(words, text)

    def test_refuses_places_that_were_trained_on(self):
        with self.assertRaisesRegex(ValueError, "must be apart. Received: 1 in both, such as 3"):
            evaluation.evaluate({}, self.reported, _photographs([3, 4]))


class FakeEncoder:
    """Stands for a LatentEncoder: descriptors of two parts of two channels."""

    image_size = 4

    def describe(self, images, domain):
        assert images.shape[1:] == (4, 4, 3)
        return unit_vectors(np.tile([[3.0, 4.0, 1.0, 2.0]], (len(images), 1)))


class MethodsTest(unittest.TestCase):
    def test_without_files_only_pixels_are_there(self):
        found, absent = methods.build_methods(methods.MethodsConfig())
        self.assertEqual(list(found), ["raw_pixels"])
        self.assertEqual(set(absent), {"imagenet", "delg", "paper", "adversarial", "adversarial_weighted"})

    def test_weights_go_to_the_channels_of_every_part(self):
        plain = methods.LatentDescriber(FakeEncoder())
        weighted = plain.weighted(np.array([2.0, 0.0]))
        images = np.zeros((40, 8, 8, 3), np.uint8)
        self.assertEqual(plain(images, "day").shape, (40, 4))
        np.testing.assert_allclose(weighted(images, "day")[0], np.array([3, 0, 1, 0]) / 10**0.5, atol=1e-6)

    def test_photographs_of_one_domain_are_translated_for_all_but_latents(self):
        seen = []

        def remember(images, domain):
            seen.append((domain, int(images[0, 0, 0, 0])))
            return unit_vectors(np.ones((len(images), 2)))

        with tempfile.TemporaryDirectory() as folder:
            tiny_translator.save(folder)
            latent = methods.LatentDescriber(FakeEncoder())
            forms = methods.translated({"raw": remember, "paper": latent}, folder)
        self.assertEqual(list(forms), ["raw+day_to_night", "raw+night_to_day"])
        for form in forms.values():
            for domain in ("day", "night"):
                form(np.full((1, 4, 4, 3), 40, np.uint8), domain)
        self.assertEqual(seen, [("day", 22), ("night", 40), ("day", 40), ("night", 76)])  # relit
        self.assertEqual(methods.translated({"raw": remember}, ""), {})

    def test_refuses_weights_of_another_model(self):
        with self.assertRaisesRegex(ValueError, "one for each channel.*3 weights, descriptors of 4"):
            methods.LatentDescriber(FakeEncoder(), np.ones(3))(np.zeros((1, 4, 4, 3), np.uint8), "day")

    def test_refuses_weights_without_their_model(self):
        with self.assertRaisesRegex(ValueError, "needs `adversarial_model`.*channel_weights='w.json' alone"):
            methods.build_methods(methods.MethodsConfig(channel_weights="w.json"))


if __name__ == "__main__":
    unittest.main()
