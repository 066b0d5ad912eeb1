import dataclasses
import tempfile
import unittest
from unittest import mock

import keras
import numpy as np

from data_prep.records import pipeline
from delg.networks import model_files
from hashing.codes import baselines, codes
from hashing.data.image_batches import encoding_batches
from hashing.networks import model_dir
from hashing.networks.model import build_hashing
from hashing.training import adaptation, loop
from hashing.training.adapt_config import AdaptConfig
from hashing.training.config import TrainConfig
from tests.fixtures import model_dirs, tiny_backbone, tiny_shards


def setUpModule():
    global _folder, _base, _train
    tiny_backbone.use()
    _folder = tempfile.TemporaryDirectory()
    tiny_shards.write_tiny_shards(_folder.name)
    _train = TrainConfig(
        train_pattern=_shards("train"), model_dir=f"{_folder.name}/trained", width=0.125,
        backbone_weights="none", image_size=32, code_size=12, prefix_sizes=(8,), code_batch_norm=True,
        center_weight=1.0, batch_size=8, images_per_class=2, head_steps=20, head_views=2, num_steps=0,
        schedule="cosine", warmup_steps=0, weight_decay=1e-2, seed=3)
    loop.train(_train)
    _base = AdaptConfig(_train.model_dir, (_shards("train"), _shards("heldout")), f"{_folder.name}/adapted",
                        train_pattern=_shards("train"), batch_size=16, num_steps=100)


def tearDownModule():
    _folder.cleanup()


def _shards(split):
    return f"{_folder.name}/{split}-*"


def _encoded(model, split="heldout"):
    """Values before tanh, features and labels of the images of a split."""
    images, labels = next(iter(encoding_batches(_shards(split), 32, 100)))
    outputs = model(np.float32(images), training=False)
    return outputs["code_logits"].numpy(), outputs["features"].numpy(), labels.numpy()


def _map(values, labels):
    return loop.validation_map(codes.binarize(values), labels)


class AdaptTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.result = adaptation.adapt(_base)
        cls.before, cls.after = (model_dir.load_hashing(folder)[0]
                                 for folder in (_base.model_dir, _base.output_dir))

    def test_classes_of_no_training_are_told_from_all_others_better_and_those_of_training_as_well(self):
        scores = {}
        for model in (self.before, self.after):
            (seen, _, labels), (unseen, _, further) = _encoded(model, "train"), _encoded(model, "heldout")
            scores[model] = (_map(np.concatenate([seen, unseen])[:, :8], np.concatenate([labels, further])),
                             _map(seen[:, :8], labels))
        self.assertGreater(scores[self.after][0], scores[self.before][0] + 0.05)
        self.assertGreater(scores[self.after][1], scores[self.before][1] - 0.05)

    def test_only_the_code_layer_is_another(self):
        for was, now in zip(self.before.get_layer("backbone").get_weights(),
                            self.after.get_layer("backbone").get_weights()):
            np.testing.assert_array_equal(was, now)
        self.assertFalse(np.allclose(self.before.get_layer("code_layer").get_weights()[0],
                                     self.after.get_layer("code_layer").get_weights()[0]))

    def test_the_model_says_where_it_comes_from(self):
        stored = model_files.read_config(_base.output_dir)
        self.assertEqual(stored, self.result)
        self.assertEqual(stored["adapted"]["fingerprint"], model_files.fingerprint(self.before))
        self.assertEqual(stored["adapted"]["index_pattern"], list(_base.index_pattern))

    def test_a_finished_one_is_left_alone_and_others_are_refused(self):
        with mock.patch.object(adaptation, "_index_features", side_effect=AssertionError):
            self.assertEqual(adaptation.adapt(_base)["adapted"], self.result["adapted"])
            with self.assertRaisesRegex(ValueError, "of the one there differ: num_steps, seed. .*adapted"):
                adaptation.adapt(dataclasses.replace(_base, seed=1, num_steps=3))

    def test_the_same_seed_gives_the_same_weights(self):
        again = dataclasses.replace(_base, output_dir=f"{_folder.name}/again")
        adaptation.adapt(again)
        model_dirs.assert_same_weights(self, again.output_dir, _base.output_dir, ("best",))

    def test_without_labels_it_is_itq_of_the_index(self):
        alone = dataclasses.replace(_base, output_dir=f"{_folder.name}/alone", train_pattern="",
                                    index_pattern=(_shards("heldout"),))
        adaptation.adapt(alone)
        values, features, _ = _encoded(model_dir.load_hashing(alone.output_dir)[0])
        matrix, offset = baselines.fit_projection("itq", features, 8, 0, whitening=0.25)
        np.testing.assert_array_equal(values[:, :8] >= 0, features @ matrix + offset >= 0)


class FitTest(unittest.TestCase):
    def test_the_more_weight_the_less_codes_of_the_index_change(self):
        generator = np.random.default_rng(0)
        index, features = generator.normal(size=(2, 60, 16)).astype(np.float32)
        changes = []
        for weight in (0.0, 30.0):
            keras.utils.set_random_seed(0)
            model = build_hashing(_train.model_config())
            adaptation.last_layers.start_as_itq(model, index, (8, 12), seed=0)
            layer = model.get_layer("code_layer")
            start = np.tanh(layer(index).numpy())
            config = dataclasses.replace(_base, index_weight=weight, learning_rate=0.01, num_steps=60)
            adaptation.fit_code_layer(model, index, features, np.arange(60) % 4, _train, config)
            changes.append(np.square(np.tanh(layer(index).numpy()) - start).mean())
        self.assertLess(changes[1], 0.2 * changes[0])

    def test_a_layer_that_diverges_is_an_error(self):
        config = dataclasses.replace(_base, output_dir=f"{_folder.name}/wild", learning_rate=1e39,
                                     num_steps=2)
        with self.assertRaisesRegex(ValueError, "must stay finite; .*learning_rate=1e\\+39"):
            adaptation.adapt(config)


class InputTest(unittest.TestCase):
    def test_an_index_of_fewer_images_than_bits(self):
        config = dataclasses.replace(_base, output_dir=f"{_folder.name}/few", max_images=11)
        with self.assertRaisesRegex(ValueError, "must have at least 12 images, .* num_images=10"):
            adaptation.adapt(config)

    def test_a_share_of_each_pattern_is_read(self):
        features = keras.Sequential([keras.layers.GlobalAveragePooling2D(input_shape=(32, 32, 3))])
        with self.assertLogs("absl", "INFO") as logs:
            read = adaptation._index_features(features, dataclasses.replace(_base, max_images=18))
        self.assertEqual(pipeline.count_examples(_shards("heldout")), 12)
        self.assertIn("18 of 36 images", logs.output[-1])
        self.assertEqual(read.shape, (18, 3))

    def test_labels_for_a_model_that_was_not_trained(self):
        untrained = f"{_folder.name}/untrained"
        model = build_hashing(_train.model_config())
        model_files.write_untrained(untrained, model, _train.model_config(), num_classes=0)
        with self.assertRaisesRegex(ValueError, "`model_dir` must hold a trained model, .*untrained"):
            adaptation.adapt(dataclasses.replace(_base, model_dir=untrained, output_dir=f"{_folder.name}/un"))

    def test_no_shards(self):
        for field in ("train_pattern", "index_pattern"):
            value = f"{_folder.name}/absent-*"
            config = dataclasses.replace(_base, output_dir=f"{_folder.name}/absent",
                                         **{field: value if field == "train_pattern" else (value,)})
            with self.assertRaisesRegex(FileNotFoundError, "absent-"):
                adaptation.adapt(config)
        with self.assertRaisesRegex(ValueError, "`index_pattern` must name shards"):
            dataclasses.replace(_base, index_pattern=())


if __name__ == "__main__":
    unittest.main()
