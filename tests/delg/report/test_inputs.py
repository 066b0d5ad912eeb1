"""Tests of what the report reads: scores, images and the attention of a SavedModel."""

import json
import os
import tempfile
import unittest

import numpy as np
import tensorflow as tf

from data_prep.records.pipeline import read_examples_of
from delg.pictures import drawing
from delg.report import inputs
from tests.fixtures.tiny_search import jpeg, write_images


class Attention(tf.Module):
    """A model of stride 16 whose scores are the red of each cell's centre."""

    @tf.function(input_signature=[
        tf.TensorSpec([None, None, 3], tf.uint8, "input_image"),
        tf.TensorSpec([None], tf.float32, "input_scales"),
        tf.TensorSpec([], tf.int32, "input_max_feature_num"),
        tf.TensorSpec([], tf.float32, "input_abs_thres")])
    def __call__(self, input_image, input_scales, input_max_feature_num, input_abs_thres):
        scores = tf.cast(input_image[8::16, 8::16, 0], tf.float32) * input_scales[0]
        y, x = tf.meshgrid(tf.range(tf.shape(scores)[0]), tf.range(tf.shape(scores)[1]), indexing="ij")
        centres = tf.cast(tf.reshape(tf.stack([y, x], -1), [-1, 2]), tf.float32) * 16 + 8
        kept = tf.reshape(scores, [-1]) >= input_abs_thres
        boxes = tf.boolean_mask(tf.concat([centres - 20, centres + 20], axis=1), kept)[:input_max_feature_num]
        return {"boxes": boxes, "features": boxes, "scales": boxes[:, 0],
                "scores": tf.boolean_mask(tf.reshape(scores, [-1, 1]), kept)[:input_max_feature_num]}


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name, content=None):
        path = os.path.join(self.folder, name)
        if content is not None:
            with open(path, "w") as file:
                file.write(content)
        return path


class ReadScoresTest(Folder):
    def test_reads_what_evaluation_writes(self):
        scores = {"global": {"easy": {"mAP": 1}, "medium": {"mAP": 2}, "hard": {"mAP": None}}}
        path = self.path("metrics.json", json.dumps(scores))
        self.assertEqual(inputs.read_scores(path, "metrics"), scores)

    def test_refuses_a_missing_file_by_its_flag(self):
        with self.assertRaisesRegex(FileNotFoundError, "`baseline_metrics` must be a file.*none.json"):
            inputs.read_scores(self.path("none.json"), "baseline_metrics")

    def test_refuses_what_is_no_json(self):
        with self.assertRaisesRegex(ValueError, "metrics.json must be JSON"):
            inputs.read_scores(self.path("metrics.json", "{"), "metrics")

    def test_refuses_other_json(self):
        for content in ("[]", "{}", '{"global": {"easy": {}}}'):
            with self.assertRaisesRegex(ValueError, "must hold easy, medium and hard scores"):
                inputs.read_scores(self.path("metrics.json", content), "metrics")

    def test_scores_that_are_none(self):
        self.assertEqual([inputs.finite(value) for value in (1, 2.5, None, float("nan"), "x")],
                         [1.0, 2.5, None, None, None])


class ReadExamplesTest(Folder):
    def test_only_those_asked_for(self):
        encoded = jpeg(np.zeros((32, 48, 3), np.uint8))
        write_images(self.folder, index=[("a", encoded, None), ("b", b"other", [1, 2, 3, 4])])
        found = read_examples_of(self.path("index-*"), ["b"], "index_images")
        self.assertEqual(list(found), ["b"])
        self.assertEqual(found["b"].encoded, b"other")
        self.assertEqual(found["b"].query_bbox.tolist(), [1, 2, 3, 4])

    def test_refuses_when_one_is_missing(self):
        write_images(self.folder, index=[("a", b"", None)])
        with self.assertRaisesRegex(ValueError, "`index_images`.*lacks 1, the first is 'c'"):
            read_examples_of(self.path("index-*"), ["a", "c"], "index_images")

    def test_nothing_asked_nothing_read(self):
        self.assertEqual(read_examples_of("no/such-*", [], "index_images"), {})

    def test_decodes_and_crosses_out_what_cannot_be(self):
        image = np.full((32, 48, 3), (200, 30, 90), np.uint8)
        write_images(self.folder, index=[("good", jpeg(image), None),
                                         ("bad", jpeg(image)[:100], None)])
        found = read_examples_of(self.path("index-*"), ["good", "bad"], "index_images")
        np.testing.assert_allclose(drawing.decode(found["good"]), image, atol=4)
        self.assertEqual(drawing.decode(found["bad"])[0, 24].tolist(), [232, 232, 232])


class ReadImagesTest(Folder):
    def test_a_folder_of_image_files_serves_as_shards_do(self):
        os.mkdir(os.path.join(self.folder, "trip"))
        image = np.full((30, 20, 3), 90, np.uint8)
        for name in ("a.jpg", "trip/b.jpg"):
            with open(os.path.join(self.folder, name), "wb") as file:
                file.write(jpeg(image))
        found = inputs.read_images_of(self.folder, {"trip/b.jpg"}, "index_images")
        self.assertEqual(list(found), ["trip/b.jpg"])
        np.testing.assert_allclose(drawing.decode(found["trip/b.jpg"]), image, atol=3)
        with self.assertRaisesRegex(ValueError, "folder of `index_images`.*lacks 1, the first is 'c.jpg'"):
            inputs.read_images_of(self.folder, {"a.jpg", "c.jpg"}, "index_images")


class AttentionModelTest(Folder):
    def setUp(self):
        super().setUp()
        module = Attention()
        tf.saved_model.save(module, self.folder, signatures={"serving_default": module.__call__})

    def test_heat_is_high_where_scores_are(self):
        image = np.zeros((64, 96, 3), np.uint8)
        image[:, 64:, 0] = 200
        heat = inputs.AttentionModel(self.folder, None, 0).heat(image)
        self.assertEqual(heat.shape, (64, 96))
        np.testing.assert_allclose(heat[:, :56], 0)
        np.testing.assert_allclose(heat[:, 72:], 200)

    def test_large_images_are_shrunk_first(self):
        heat = inputs.AttentionModel(self.folder, None, 48).heat(np.zeros((64, 96, 3), np.uint8))
        self.assertEqual(heat.shape, (32, 48))

    def test_refuses_a_folder_without_model(self):
        with self.assertRaisesRegex(FileNotFoundError, "`saved_model` must be the folder of a SavedModel"):
            inputs.AttentionModel(self.path("none"), None, 0)

    def test_refuses_another_model_than_the_features(self):
        self.path("export_config.json", json.dumps({"fingerprint": "b" * 64}))
        with self.assertRaisesRegex(ValueError, "the model the features came from, aaaaaaaaaaaa. Received:"):
            inputs.AttentionModel(self.folder, "a" * 64, 0)
        inputs.AttentionModel(self.folder, "b" * 64, 0)

    def test_refuses_a_model_without_local_features(self):
        module = tf.Module()
        module.describe = tf.function(
            lambda input_image: {"global_descriptor": tf.zeros([4])},
            input_signature=[tf.TensorSpec([None, None, 3], tf.uint8, "input_image")])
        tf.saved_model.save(module, self.folder, signatures={"serving_default": module.describe})
        with self.assertRaisesRegex(ValueError, "must give local features.*global descriptors alone"):
            inputs.AttentionModel(self.folder, None, 0)


if __name__ == "__main__":
    unittest.main()
