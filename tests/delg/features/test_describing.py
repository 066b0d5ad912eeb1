import os
import tempfile
import unittest
from unittest import mock

import cv2
import numpy as np
import tensorflow as tf

from delg.exports.extraction_module import ExtractionModule
from delg.features import shards
from delg.features.describing import ImageDescriber
from delg.features.whitening import fit_whitening
from delg.settings.extraction import ExtractConfig
from delg.settings.whitening import WhiteningConfig
from tests.fixtures import tiny_translator
from tests.fixtures.feature_shards import write_feature_shard
from tests.fixtures.shard_folder import make_shard
from tests.fixtures.tiny_extraction import RECEPTIVE_FIELD, as_png, block_image, tiny_model


class ImageDescriberTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.saved_model = os.path.join(folder.name, "saved_model")
        cls.module = ExtractionModule(tiny_model(), RECEPTIVE_FIELD, attention_threshold=150.0)
        cls.module.save(cls.saved_model)
        cls.folder = folder.name

    def describer(self, **settings):
        return ImageDescriber(self.saved_model, ExtractConfig(**{
            "global_scales": (1.0,), "local_scales": (1.0,), "max_image_size": 0, **settings}))

    def test_keypoints_are_pixels_of_the_original(self):
        # The block's rows 24 to 31 and columns 40 to 47 have their centre at (27.5, 43.5).
        image = block_image(80, 96, (24, 32), (40, 48))
        features = self.describer(max_image_size=48).describe(as_png(image))
        np.testing.assert_allclose(features.local.keypoints_yx, [[27.5, 43.5]])
        np.testing.assert_array_equal(features.local.descriptors, [[1, 0, 0]])
        np.testing.assert_array_equal(features.local.scores, [200])
        np.testing.assert_array_equal(features.local.scales, [1])
        self.assertEqual(features.image_size, (80, 96))

    def test_batches_that_do_not_fit_are_halved(self):
        images = [np.random.default_rng(seed).integers(0, 255, (64, 96, 3), np.uint8) for seed in range(4)]
        describer = self.describer(batch_pixels=10**9)
        expected = describer.describe_all(images)
        extract_all, given = describer._model.extract_all, []

        def two_fit(some, *arguments):
            given.append(len(some))
            if len(some) > 2:
                raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
            return extract_all(some, *arguments)

        with mock.patch.object(describer._model, "extract_all", two_fit), self.assertLogs(level="WARNING"):
            found = [*describer.describe_all(images), *describer.describe_all(images)]
        self.assertEqual(given, [4, 2, 2, 2, 2])
        for one, other in zip(found, [*expected, *expected]):
            np.testing.assert_array_equal(one.global_descriptor, other.global_descriptor)
            np.testing.assert_array_equal(one.local.descriptors, other.local.descriptors)

    def test_an_image_that_does_not_fit_says_what_to_lower(self):
        describer = self.describer()
        error = tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
        with mock.patch.object(describer._model, "extract_all", side_effect=error), self.assertRaisesRegex(
                ValueError, "lower `max_image_size` or the scales. Received: one of 0.0 megapixels"):
            describer.describe(np.zeros((64, 96, 3), np.uint8))

    def test_scales_above_one_use_the_detail_of_a_large_image(self):
        # Limited to 48 pixels, a 4 x 4 block would be 2 x 2; at scale 2 it is whole again.
        features = self.describer(max_image_size=48, local_scales=(2.0,)).describe(
            as_png(block_image(80, 96, (24, 28), (40, 44))))
        np.testing.assert_array_equal(features.local.scores, [200])
        np.testing.assert_array_equal(features.local.scales, [0.5])
        np.testing.assert_allclose(features.local.keypoints_yx, [[25.5, 41.5]])

    def test_keypoints_of_a_box_are_pixels_of_the_original(self):
        image = block_image(160, 192, (24, 32), (40, 48))
        features = self.describer(max_image_size=96).describe(as_png(image), np.float32([8, 16, 92, 86]))
        np.testing.assert_allclose(features.local.keypoints_yx, [[27.5, 43.5]])

    def test_global_is_the_mean_over_unit_rows(self):
        image = np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8)
        rows = []
        for size in ((96, 64), (48, 32)):
            shrunk = cv2.resize(image.astype(np.float32), size, interpolation=cv2.INTER_AREA)
            cells = shrunk.reshape(size[1] // 4, 4, size[0] // 4, 4, 3).mean(axis=(1, 3))
            peak = cells.max(axis=(0, 1))
            rows.append(peak / np.linalg.norm(peak))
        expected = (rows[0] + rows[1]) / np.linalg.norm(rows[0] + rows[1])
        for local_scales in ((1.0,), (0.5, 1.0), ()):  # scales in one pass, or partly alone
            describer = self.describer(global_scales=(1.0, 0.5), local_scales=local_scales)
            np.testing.assert_allclose(describer.describe(as_png(image)).global_descriptor, expected, 1e-5)
        peaks = np.maximum(*rows)
        found = self.describer(global_scales=(1.0, 0.5), scale_power=np.inf).describe(as_png(image))
        np.testing.assert_allclose(found.global_descriptor, peaks / np.linalg.norm(peaks), 1e-5)

    def test_a_scale_written_short_is_the_same_scale(self):
        image = as_png(np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8))
        results = [self.describer(global_scales=(scale,), local_scales=(2**-0.5,)).describe(image)
                   for scale in (2**-0.5, 0.70711)]
        np.testing.assert_array_equal(results[0].global_descriptor, results[1].global_descriptor)

    def test_an_image_below_32_pixels_once_limited_has_no_local_features(self):
        features = self.describer(max_image_size=62, local_scales=(1.0, 2.0)).describe(
            as_png(np.full((60, 120, 3), 200, np.uint8)))
        self.assertEqual(len(features.local), 0)

    def test_an_image_below_32_pixels_has_no_local_features(self):
        features = self.describer().describe(as_png(np.full((31, 64, 3), 200, np.uint8)))
        self.assertEqual([len(values) for values in (features.local.keypoints_yx, features.local.descriptors,
                                                     features.local.scores, features.local.scales)], [0] * 4)
        self.assertEqual(features.local.descriptors.shape, (0, 3))
        self.assertAlmostEqual(float(np.linalg.norm(features.global_descriptor)), 1, places=5)

    def test_many_are_described_as_one_by_one_in_their_order(self):
        sizes = [(32, 48), (48, 32), (32, 48), (40, 40), (48, 32)]
        images = [block_image(*size, (4, 8), (4 * number, 4 * number + 4))
                  for number, size in enumerate(sizes)]
        describer = self.describer()
        found = describer.describe_all([as_png(images[0]), *images[1:]])
        self.assertEqual([one.image_size for one in found], sizes)
        for one, image in zip(found, images):
            alone = describer.describe(image)
            np.testing.assert_allclose(one.global_descriptor, alone.global_descriptor, atol=1e-6)
            np.testing.assert_array_equal(one.local.keypoints_yx, alone.local.keypoints_yx)
        self.assertEqual(describer.describe_all([]), [])
        with self.assertRaisesRegex(FileNotFoundError, "nowhere.jpg"):
            describer.describe_all([images[0], "nowhere.jpg"])

    def test_the_learnt_threshold_is_used_unless_one_is_given(self):
        image = as_png(np.full((32, 32, 3), 149, np.uint8))
        self.assertEqual(len(self.describer().describe(image).local), 0)
        self.assertEqual(len(self.describer(score_threshold=149.0).describe(image).local), 64)

    def test_settings_are_what_decides_the_features(self):
        settings = self.describer(max_bad_fraction=0.5).settings
        self.assertEqual(settings["score_threshold"], 150)
        self.assertEqual(settings["local_scales"], [1.0])
        self.assertEqual(len(settings["fingerprint"]), 64)
        self.assertEqual(settings, self.describer(max_bad_fraction=0.1).settings)

    def test_global_descriptors_are_whitened_and_the_settings_say_by_what(self):
        plain = self.describer(local_scales=())
        learnt_on, path = os.path.join(self.folder, "learn.h5"), os.path.join(self.folder, "whitening.npz")
        write_feature_shard(learnt_on, make_shard(
            "abcd", [1] * 4, config={"fingerprint": plain.settings["fingerprint"]}))
        whitening = fit_whitening(learnt_on, path, WhiteningConfig(dimension=2))
        describer = self.describer(local_scales=(), whitening=path)
        image = as_png(block_image(40, 48, (4, 8), (4, 8), (200, 100, 50)))
        expected = whitening.apply(plain.describe(image).global_descriptor[None])[0]
        np.testing.assert_allclose(describer.describe(image).global_descriptor, expected, atol=1e-6)
        self.assertEqual((describer.global_dim, describer.settings),
                         (2, {**plain.settings, "whitening": whitening.settings}))

    def test_dimensions(self):
        describer = self.describer()
        self.assertEqual((describer.global_dim, describer.local_dim), (3, 3))

    def test_without_global_scales_there_are_local_features_alone(self):
        describer = self.describer(global_scales=())
        features = describer.describe(as_png(block_image(32, 32, (4, 8), (8, 12))))
        self.assertEqual((features.global_descriptor.shape, describer.global_dim), ((0,), 0))
        np.testing.assert_array_equal(features.local.keypoints_yx, [[5.5, 9.5]])

    def test_refuses_settings_that_ask_for_nothing(self):
        with self.assertRaisesRegex(ValueError, r"`local_scales` must not both be empty.*global_scales=\(\)"):
            ExtractConfig(global_scales=(), local_scales=())

    def test_light_is_evened_out_before_the_model_and_keypoints_stay(self):
        # A block of red 100 in black: translated to day it is 200, and so is its attention score.
        image = as_png(block_image(80, 96, (24, 32), (40, 48), (100, 0, 0)))
        translator = os.path.join(self.folder, "translator")
        tiny_translator.save(translator)
        given = {"max_image_size": 48, "score_threshold": 50.0}
        plain = self.describer(**given).describe(image)
        translate = {"photometric": "translate", "translator": translator, "relight": False}
        for settings, score in ((translate, 200),
                                ({"photometric": "clahe"}, None)):
            described = self.describer(**given, **settings).describe(image)
            found = described.local.scores.argmax()
            np.testing.assert_array_equal(described.local.keypoints_yx[found], plain.local.keypoints_yx[0])
            self.assertEqual(described.local.scores[found], score or described.local.scores[found])
            self.assertGreater(described.local.scores[found], plain.local.scores[0])

    def test_the_image_may_be_described_beside_itself_evened_out(self):
        image = as_png(block_image(80, 96, (24, 32), (40, 48), (100, 40, 0)))
        given = {"max_image_size": 48, "score_threshold": 50.0, "global_scales": (0.5, 1.0)}
        plain, evened, both = (self.describer(**given, **settings).describe(image) for settings in (
            {}, {"photometric": "clahe"}, {"photometric": "clahe", "photometric_beside": True}))
        np.testing.assert_array_equal(both.local.descriptors, plain.local.descriptors)
        np.testing.assert_array_equal(both.local.scores, plain.local.scores)
        self.assertFalse(np.allclose(evened.global_descriptor, plain.global_descriptor, atol=1e-3))
        middle = plain.global_descriptor + evened.global_descriptor
        np.testing.assert_allclose(both.global_descriptor, middle / np.linalg.norm(middle), atol=2e-2)
        for beside in (False, True):
            settings = self.describer(photometric="clahe", photometric_beside=beside).settings
            self.assertEqual("photometric_beside" in settings, beside)

    def test_beside_what_there_must_be_something(self):
        for settings in ({}, {"photometric": "clahe", "global_scales": ()},
                         {"photometric": "clahe", "simulated_views": True}):
            with self.assertRaisesRegex(ValueError, "`photometric_beside` needs `photometric` and `gl"):
                ExtractConfig(photometric_beside=True, **settings)

    def test_settings_say_how_light_was_evened_out(self):
        translator = os.path.join(self.folder, "named_translator")
        tiny_translator.save(translator)
        plain, clahe = self.describer().settings, self.describer(photometric="clahe").settings
        translated = self.describer(photometric="translate", translator=translator).settings
        self.assertEqual(shards.differing_settings(plain, {}), shards.differing_settings(clahe, {
            "photometric": "clahe"}))  # features from before the setting go on as those of none
        self.assertEqual(shards.differing_settings(plain, clahe), ["photometric"])
        self.assertEqual(shards.differing_settings(clahe, translated), ["photometric", "relit", "translator"])
        self.assertEqual((translated["translation"], len(translated["translator"])), ("night_to_day", 64))

    def test_a_translator_and_its_setting_come_together(self):
        for settings in ({"photometric": "translate"}, {"translator": "a"},
                         {"photometric": "clahe", "translator": "a"}):
            with self.assertRaisesRegex(ValueError, "translate and a `translator` must come together"):
                ExtractConfig(**settings)

    def test_a_model_without_threshold_needs_one_given(self):
        path = os.path.join(self.folder, "published")
        published = tf.Module()
        published.parts = [self.module.model_variables]
        tf.saved_model.save(published, path, signatures=self.module.extract)
        with self.assertRaisesRegex(ValueError, "holds no attention threshold: give `score_threshold`"):
            ImageDescriber(path, ExtractConfig())
        describer = ImageDescriber(path, ExtractConfig(score_threshold=1.0, local_scales=(1.0,)))
        features = describer.describe(as_png(block_image(32, 32, (4, 8), (8, 12))))
        np.testing.assert_array_equal(features.local.keypoints_yx, [[5.5, 9.5]])


if __name__ == "__main__":
    unittest.main()
