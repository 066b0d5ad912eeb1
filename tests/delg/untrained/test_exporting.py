import os
import pathlib
from unittest import mock

import keras
import numpy as np

from delg.exports.extraction_module import ExtractionModule
from delg.exports.loading import ExportedModel
from delg.networks.backbone import receptive_field
from delg.networks.batch_norm_folding import fold_batch_norm
from delg.networks.delg import build_delg
from delg.settings.model import ModelConfig
from delg.settings.untrained import UntrainedConfig
from delg.untrained import heads
from delg.untrained.exporting import export_untrained
from delg.untrained.network import build_untrained
from tests.fixtures import dinov2_reference, photographs, scripts, tiny_backbone
from tests.fixtures.temporary_files import FilesTest

setUpModule = tiny_backbone.use
CONFIG = UntrainedConfig(backbone="resnet18", local_dim=8)


def _picture(seed):
    return photographs.encode(photographs.pixels(160, 240, seed), "PNG")


class NetworkTest(FilesTest):
    def test_pools_the_maps_as_they_are(self):
        keras.utils.set_random_seed(0)
        model = build_untrained(UntrainedConfig(backbone="resnet18", local_dim=128, gem_power=1), "none")
        images = np.random.default_rng(0).uniform(0, 255, (2, 64, 96, 3)).astype(np.float32)
        maps = keras.Model(model.input, {"global": model.get_layer("gem_pooling").input,
                                         "local": model.get_layer("local_directions").input})(images)
        outputs = model(images)
        pooled = np.mean(maps["global"], axis=(1, 2))
        np.testing.assert_allclose(outputs["global_descriptor"],
                                   pooled / np.linalg.norm(pooled, axis=1, keepdims=True), atol=1e-5)
        norms = np.linalg.norm(maps["local"], axis=-1, keepdims=True)
        np.testing.assert_allclose(outputs["attention_scores"], norms, rtol=1e-5)
        np.testing.assert_allclose(outputs["local_descriptors"] * norms, maps["local"], atol=1e-4)


class ExportTest(FilesTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pictures = [_picture(seed) for seed in range(4)]

    def _write_pictures(self, folder):
        for number, encoded in enumerate(self.pictures):
            os.makedirs(os.path.dirname(self.path(f"{folder}/{number}/x.png")), exist_ok=True)
            with open(self.path(f"{folder}/{number}/x.png"), "wb") as file:
                file.write(encoded)
        self.write(f"{folder}/notes.txt", "no image")
        return self.path(folder)

    def test_learns_heads_from_a_folder_and_keeps_what_is_finished(self):
        keras.utils.set_random_seed(0)
        weights = self.path("resnet18.weights.h5")
        tiny_backbone.build().save_weights(weights)
        folder, export_dir = self._write_pictures("photos"), self.path("model")
        config = export_untrained(CONFIG, weights, export_dir, folder)
        self.assertEqual((config["model"]["backbone"], config["receptive_field"]), ("resnet18", [16, 16, 0]))
        image = photographs.pixels(160, 240, 9)
        [found] = ExportedModel(export_dir).extract_all([image], [1.0], [0], 1000,
                                                        config["attention_threshold"])
        self.assertEqual((found["global_descriptors"].shape, found["features"].shape[1]), ((1, 128), 8))
        self.assertGreater(len(found["features"]), 20)
        self.assertLess(len(found["features"]), 150)  # of 150 cells: the threshold leaves some out
        written = os.stat(os.path.join(export_dir, "saved_model.pb")).st_mtime_ns
        self.assertEqual(export_untrained(CONFIG, weights, export_dir, folder), config)
        self.assertEqual(os.stat(os.path.join(export_dir, "saved_model.pb")).st_mtime_ns, written)

    def test_local_features_of_dinov2_are_its_patches(self):
        weights = self.path("dinov2.safetensors")
        dinov2_reference.write_weights(weights)
        with tiny_backbone.in_place_of_dinov2():
            model = build_untrained(UntrainedConfig("dinov2_vits14", local_dim=8), weights)
        image = photographs.pixels(61, 100, 9)  # 4 x 7 patches
        module = ExtractionModule(fold_batch_norm(model), receptive_field("dinov2_vits14"))
        found = module.extract(image, [1.0], 1000, 0.0, [0])
        expected = model(image[None])
        np.testing.assert_allclose(found["global_descriptors"], expected["global_descriptor"], atol=1e-5)
        np.testing.assert_allclose(found["scores"][:, 0],
                                   np.sort(np.ravel(expected["attention_scores"]))[::-1], rtol=1e-5)
        centres = (found["boxes"].numpy()[:, :2] + found["boxes"].numpy()[:, 2:]) / 2
        self.assertEqual(set(map(tuple, centres)), {(14 * row + 6.5, 14 * column + 6.5)
                                                    for row in range(4) for column in range(7)})

    def test_projected_features_are_centred_and_even(self):
        keras.utils.set_random_seed(0)
        model = build_untrained(UntrainedConfig(backbone="resnet18", local_dim=128), "none")
        learnt = heads.learn_heads(model, CONFIG, [*self.pictures, b"no image"])
        self.assertEqual((learnt.kernel.shape, learnt.bias.shape), ((128, 8), (8,)))
        same = heads.learn_heads(model, CONFIG, self.pictures)
        np.testing.assert_array_equal(learnt.kernel, same.kernel)
        local = keras.Model(model.input, model.get_layer("local_directions").output)
        cells = np.concatenate([np.reshape(local(photographs.pixels(160, 240, seed)[np.newaxis]), (-1, 128))
                                for seed in range(4)])
        projected = cells @ learnt.kernel + learnt.bias
        plain = np.linalg.svd(cells - cells.mean(0), full_matrices=False)[1][:8]
        self.assertLess(np.ptp(np.log(projected.std(0))), np.ptp(np.log(plain)))

    def test_shipped_heads_come_back_as_they_were_written(self):
        generator = np.random.default_rng(0)
        os.makedirs(self.path("heads"))
        written = heads.Heads(*(generator.normal(size=size).astype(np.float16).astype(np.float32)
                                for size in ((128, 8), 8)), 1.5)
        with mock.patch.object(heads, "_SHIPPED", pathlib.Path(self.path("heads"))):
            with self.assertRaisesRegex(FileNotFoundError, "for resnet18-16-8 .*: give `photographs`"):
                heads.shipped_heads(CONFIG)
            heads.ship_heads(CONFIG, written)
            read = heads.shipped_heads(CONFIG)
        np.testing.assert_array_equal(read.kernel, written.kernel)
        np.testing.assert_array_equal(read.bias, written.bias)
        self.assertEqual(read.attention_threshold, 1.5)

    def test_a_trained_attention_head_scores_as_the_model_it_is_of(self):
        keras.utils.set_random_seed(0)
        trained = build_delg(ModelConfig(num_classes=2, backbone="resnet18", embedding_dim=8,
                                         autoencoder_dim=8, attention_dim=4), "none")
        trained.get_layer("attention_bn").set_weights([np.full(4, value) for value in (2.0, 0.5, 0.1, 0.7)])
        generator = np.random.default_rng(0)
        plain = heads.Heads(*(generator.normal(size=size).astype(np.float32) for size in ((128, 8), 8)), 1.5)
        found = heads.with_trained_attention(plain, trained, 0.25)
        self.assertEqual((plain.attention_dim, found.attention_dim, found.attention_threshold), (0, 4, 0.25))
        model = build_untrained(CONFIG, "none", attention_dim=found.attention_dim)
        model.get_layer("backbone").set_weights(trained.get_layer("backbone").get_weights())
        found.put_in(model)
        image = photographs.pixels(64, 96)[np.newaxis]
        np.testing.assert_allclose(model(image)["attention_scores"], trained(image)["attention_scores"],
                                   rtol=1e-4)
        os.makedirs(self.path("heads"))
        with mock.patch.object(heads, "_SHIPPED", pathlib.Path(self.path("heads"))):
            heads.ship_heads(CONFIG, found)
            read = heads.shipped_heads(CONFIG)
        for array, expected in zip(read.attention, found.attention):
            np.testing.assert_allclose(array, expected, rtol=2e-3, atol=1e-4)

    def test_refuses_too_few_photographs_and_too_many_dimensions(self):
        model = build_untrained(UntrainedConfig(backbone="resnet18", local_dim=128), "none")
        with self.assertRaisesRegex(ValueError, "from two photographs at least.* Received: 1 that"):
            heads.learn_heads(model, CONFIG, self.pictures[:1])
        with self.assertRaisesRegex(ValueError, "`local_dim` must be at most the 128 .* local_dim=129"):
            heads.learn_heads(model, UntrainedConfig(backbone="resnet18", local_dim=129), self.pictures[:2])
        with self.assertRaisesRegex(FileNotFoundError, "`photographs` must be a folder. Received: 'nowhere'"):
            heads.read_photographs("nowhere")

    def test_script(self):
        folder = self._write_pictures("photos")
        done = scripts.run("delg.export_model", backbone="resnet18", backbone_weights="none", local_dim=8,
                           photographs=folder, export_dir=self.path("model"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("resnet18, attention threshold", done.stdout)
        missing = scripts.run("delg.export_model", export_dir=self.path("other"))
        self.assertEqual(missing.returncode, 1)
        self.assertIn("Give `model_dir`, a trained model, or `backbone`", missing.stderr)
