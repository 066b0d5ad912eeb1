import os
import tempfile
import unittest

import numpy as np
import tensorflow as tf

from delg.exports.extraction_module import ExtractionModule
from delg.exports.loading import ExportedModel
from delg.features import extraction
from delg.features.describing import ImageDescriber
from delg.features.reader import FeatureReader
from delg.index import building
from delg.search import retrieval
from delg.settings.extraction import ExtractConfig
from delg.settings.search import SearchConfig
from tests.fixtures import foreign_models
from tests.fixtures.tiny_extraction import RECEPTIVE_FIELD, as_png, block_image, tiny_model, write_records

IMAGE = block_image(32, 32, (4, 8), (8, 12))  # its one cell that is not black is at row 1, column 2
SAVERS = {"tf1": foreign_models.save_tf1, "tf2": foreign_models.save_tf2}


class OurExportTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        ExtractionModule(tiny_model(), RECEPTIVE_FIELD, attention_threshold=150.0).save(cls.folder)

    def test_arrays_in_arrays_out(self):
        outputs = ExportedModel(self.folder).extract(
            block_image(32, 32, (4, 8), (8, 12)), (0.5, 1.0), [1], max_num_features=5, threshold=100.0)
        expected = {"boxes": [[4, 8, 7, 11]], "features": [[200, 0, 0]], "scales": [1], "scores": [[200]],
                    "global_descriptors": [[1, 0, 0]]}
        self.assertEqual(set(outputs), set(expected))
        for name, values in expected.items():
            np.testing.assert_allclose(outputs[name], values, err_msg=name)

    def test_tells_the_learnt_threshold_and_its_weights(self):
        model = ExportedModel(self.folder)
        self.assertEqual(model.attention_threshold, 150)
        self.assertRegex(model.fingerprint, "^[0-9a-f]{64}$")


class ForeignModelTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        cls.kinds = [("tf1", kind) for kind in ("local", "global", "both")] + [
            ("tf2", kind) for kind in foreign_models.INPUTS]
        for style, kind in cls.kinds:
            SAVERS[style](cls.path(style, kind), kind)
        images = {"a": block_image(32, 32, (4, 8), (8, 12), (100, 0, 0)),
                  "b": block_image(32, 32, (4, 8), (20, 24), (100, 50, 0))}
        cls.pattern = write_records(os.path.join(cls.folder, "records"),
                                    {name: as_png(image) for name, image in images.items()})

    @classmethod
    def path(cls, *names):
        return os.path.join(cls.folder, "-".join(names))

    def extract(self, style, kind, **settings):
        """Features of the two images, by the whole stage."""
        folder = os.path.join(tempfile.mkdtemp(dir=self.folder), "features")
        scales = (1.0,) if kind == "fixed" else (1.0, 0.5)
        extraction.extract_features(self.path(style, kind), self.pattern, folder, ExtractConfig(**{
            "global_scales": scales, "local_scales": (1.0,), "score_threshold": 150.0, **settings}))
        reader = FeatureReader(folder)
        self.addCleanup(reader.close)
        return reader

    def test_every_form_gives_the_arrays_of_its_kind(self):
        # At scale 1 the block is (100, 0, 0) times the gain; at 0.5 it fills a quarter of a cell.
        expected = {"boxes": [[4, 8, 7, 11]], "features": [[200, 0, 0]], "scales": [1], "scores": [[200]],
                    "global_descriptors": [[200, 0, 0]]}
        for style, kind in self.kinds:
            model = ExportedModel(self.path(style, kind))
            outputs = model.extract(IMAGE // 2, [0.5, 1.0], [1], max_num_features=5, threshold=150.0)
            self.assertEqual((model.has_local, model.has_global, model.takes_scales),
                             (kind in ("local", "both"), kind != "local", kind != "fixed"))
            self.assertIsNone(model.attention_threshold)
            self.assertEqual((model.global_dim, model.local_dim), (3 * model.has_global, 3 * model.has_local))
            for name, values in expected.items():
                given = model.has_global if name == "global_descriptors" else model.has_local
                found = outputs[name]
                if name == "global_descriptors" and model.has_global:  # poolers give unit vectors
                    found = found / np.linalg.norm(found) * 200
                np.testing.assert_allclose(found, values if given else np.zeros((0, *found.shape[1:])),
                                           rtol=1e-6, err_msg=f"{style} {kind} {name}")

    def test_extracts_shards_by_every_form(self):
        for style, kind in self.kinds:
            with self.subTest(style=style, kind=kind):
                reader = self.extract(style, kind)
                has_local, has_global = kind in ("local", "both"), kind != "local"
                self.assertEqual(reader.num_local_features.tolist(), [int(has_local)] * 2)
                self.assertEqual(reader.global_descriptors.shape, (2, 3 if has_global else 0))
                if has_global:
                    np.testing.assert_allclose(reader.global_descriptors[1],
                                               np.float32([2, 1, 0]) / 5**0.5, 1e-6)
                if has_local:
                    np.testing.assert_allclose(reader.local_features(1).keypoints_yx, [[5.5, 21.5]])
                    np.testing.assert_allclose(reader.local_features(1).scores, [200])
                self.assertEqual(bool(reader.config["local_scales"]), has_local)
                self.assertEqual(bool(reader.config["global_scales"]), has_global)

    def test_scales_are_averaged_as_unit_vectors(self):
        # Maxima over cells are (400, 200) at scale 1; at 0.5 the red block fills a quarter of its cell.
        image = IMAGE + block_image(32, 32, (16, 24), (16, 24), (0, 100, 0))
        for style, kind in (("tf1", "global"), ("tf2", "pooled"), ("tf2", "both")):
            rows = ExportedModel(self.path(style, kind)).extract(image, [1.0, 0.5], [0, 1], 0, 0.0)[
                "global_descriptors"]
            np.testing.assert_allclose(rows[:, :2] / rows.max(axis=1, keepdims=True), [[1, 0.5], [0.5, 1]])
            described = ImageDescriber(self.path(style, kind), ExtractConfig(
                global_scales=(1.0, 0.5), local_scales=(), score_threshold=0.0)).describe(as_png(image))
            np.testing.assert_allclose(described.global_descriptor, np.float32([1, 1, 0]) / 2**0.5, 1e-6)

    def test_local_features_alone_make_no_index(self):
        reader = self.extract("tf1", "local")
        with self.assertRaisesRegex(ValueError, "global descriptors to be indexed.*alone from image 'a'"):
            building.build_index(os.path.dirname(reader.paths[0]), os.path.join(self.folder, "no_index"))
        self.assertFalse(os.path.exists(os.path.join(self.folder, "no_index", "index.json")))

    def test_global_features_alone_are_searched_without_verification(self):
        features = os.path.dirname(self.extract("tf1", "global").paths[0])
        index_dir, output = (os.path.join(self.folder, name) for name in ("an_index", "ranking.h5"))
        building.build_index(features, index_dir)
        with self.assertLogs("absl", "WARNING") as logged:
            ranking = retrieval.search(features, features, index_dir, output, SearchConfig())
        self.assertRegex(logged.output[0], "No local features.*not verified")
        self.assertEqual((ranking.ranks.tolist(), ranking.num_verified), ([[0, 1], [1, 0]], 0))

    def test_a_threshold_is_needed_for_local_features_only(self):
        with self.assertRaisesRegex(ValueError, "tf1-local holds no attention threshold: give `score_thresh"):
            self.extract("tf1", "local", score_threshold=None)
        self.assertEqual(self.extract("tf1", "global", score_threshold=None).config["score_threshold"], None)

    def test_scales_inside_a_model_count_as_scale_1(self):
        default = ImageDescriber(self.path("tf2", "fixed"), ExtractConfig()).settings
        self.assertEqual((default["global_scales"], default["local_scales"]), ([1.0], []))

    def test_refuses_scales_that_do_not_go_with_the_model(self):
        for kind, settings, said in (
                ("global", {"global_scales": ()}, "tf2-global gives global features alone: they need scales"),
                ("local", {"local_scales": ()}, "tf2-local gives local features alone: they need scales"),
                ("fixed", {"global_scales": (0.5,)}, r"tf2-fixed has its scales inside.*Received: \(0.5,\)")):
            with self.assertRaisesRegex(ValueError, said):
                self.extract("tf2", kind, **settings)


class RefusalTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def assert_refused(self, said):
        with self.assertRaisesRegex(ValueError, f"{self.folder} must .*Received: {said}") as caught:
            ExportedModel(self.folder)
        self.assertNotIn("\n", str(caught.exception))

    def test_refuses_a_folder_without_a_model(self):
        with self.assertRaisesRegex(FileNotFoundError, "No saved_model.pb in: .*nowhere"):
            ExportedModel(os.path.join(self.folder, "nowhere"))

    def test_refuses_a_model_without_signature(self):
        tf.saved_model.save(tf.Module(), self.folder)
        self.assert_refused("no inputs to no outputs")

    def test_refuses_another_signature(self):
        module = tf.Module()
        module.serve = tf.function(lambda image: {"label": image + 1}, input_signature=[
            tf.TensorSpec([None], tf.float32, "image")])
        tf.saved_model.save(module, self.folder, signatures=module.serve)
        self.assert_refused("image to label")

    def test_refuses_a_signature_that_lacks_an_input(self):
        module = tf.Module()
        module.serve = tf.function(
            lambda image, scales: {"global_descriptors": tf.cast(image[0], tf.float32) + scales[0]},
            input_signature=[foreign_models.SPECS["input_image"], foreign_models.SPECS["input_scales"]])
        tf.saved_model.save(module, self.folder, signatures=module.serve.get_concrete_function())
        self.assert_refused("input_image, input_scales to global_descriptors")

    def test_refuses_a_graph_without_the_tensors(self):
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            tf.identity(tf.compat.v1.placeholder(tf.float32, [None], "pixels"), "boxes")
            builder = tf.compat.v1.saved_model.Builder(os.path.join(self.folder, "graph"))
            builder.add_meta_graph_and_variables(session, ["serve"])
            builder.save()
        self.folder = os.path.join(self.folder, "graph")
        self.assert_refused("pixels to boxes")

    def test_refuses_a_damaged_file(self):
        with open(os.path.join(self.folder, "saved_model.pb"), "wb") as file:
            file.write(b"\x0a\xff\xff")
        self.assert_refused("OSError: ")


if __name__ == "__main__":
    unittest.main()
