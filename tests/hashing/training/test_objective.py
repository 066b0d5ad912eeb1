import unittest

import keras
import numpy as np
import tensorflow as tf

from data_prep.images.addons import tensorflow_addons
from hashing.networks.model import build_hashing
from hashing.training import objective
from hashing.training.config import MININGS, TrainConfig
from hashing.training.losses import center_losses, code_losses
from hashing.training.losses.centers import bernoulli_centers, class_centers, nested_centers


def _config(**changes):
    return TrainConfig("t", "m", width=1 / 16, image_size=32, code_size=16, batch_size=8, **changes)


class CodeLossTest(unittest.TestCase):
    def setUp(self):
        generator = np.random.default_rng(0)
        self.labels = np.array([0, 0, 1, 1, 2, 2, 0, 1])
        self.logits = generator.normal(size=(8, 16)).astype(np.float32)
        self.codes = np.tanh(self.logits)

    def loss(self, **changes):
        return float(objective.CodeLoss(_config(**changes), 3)(self.labels[:, None], self.logits))

    def test_the_paper_is_batch_all_with_a_margin_by_code_size(self):
        expected = code_losses.batch_all_triplet_loss(self.labels, self.codes, 4.0, False, False)
        self.assertAlmostEqual(self.loss(), float(expected), places=5)

    def test_a_margin_per_bit_grows_with_the_code(self):
        expected = code_losses.batch_all_triplet_loss(self.labels, self.codes, 16.0, False, False)
        self.assertAlmostEqual(self.loss(margin_per_bit=1.0), float(expected), places=5)
        self.assertAlmostEqual(self.loss(margin_per_bit=1.0, margin=4.0), self.loss(), places=5)

    def test_nested_codes_are_trained_at_each_length(self):
        changes = {"center_weight": 0.5, "margin_per_bit": 1.0, "balance_weight": 2.0}
        centers = nested_centers(3, (8, 12, 16))
        expected = np.mean([
            float(16 / size * code_losses.batch_all_triplet_loss(self.labels, part, float(size), False, False)
                  + 0.5 * code_losses.center_loss(self.labels, part, centers[:, :size], 0.2, 8.0)
                  + 2 * code_losses.balance_loss(part))
            for size in (8, 12, 16) for part in [self.codes[:, :size]]])
        self.assertAlmostEqual(self.loss(prefix_sizes=(12, 8), **changes), expected, places=4)
        self.assertAlmostEqual(self.loss(prefix_sizes=(12, 8), **{**changes, "margin": 16.0}), expected,
                               places=4)

    def test_the_losses_of_papers_are_taken_by_name_at_each_length(self):
        both = {"mining": "none", "center_weight": 1.0, "prefix_sizes": (8,)}
        targets = bernoulli_centers(3, (8, 16))
        expected = [center_losses.orthohash(self.labels, self.logits[:, :length], targets[:, :length],
                                            _config()) for length in (8, 16)]
        found = self.loss(center_loss="orthohash", center_codes="bernoulli", **both)
        self.assertAlmostEqual(found, np.mean(expected), places=5)
        targets = nested_centers(3, (8, 16))
        expected = [3 * code_losses.log_cosh_quantization_loss(self.codes[:, :length])
                    + center_losses.central_similarity(self.labels, self.logits[:, :length],
                                                       targets[:, :length], _config())
                    for length in (8, 16)]
        found = self.loss(center_loss="csq", quantization="log_cosh", quantization_weight=3.0, **both)
        self.assertAlmostEqual(found, np.mean(expected), places=5)

    def test_mined_triplets_are_those_of_tensorflow_addons(self):
        addons = tensorflow_addons().losses
        for mining, loss in (("batch_hard", addons.triplet_hard_loss),
                             ("semi_hard", addons.triplet_semihard_loss)):
            expected = float(loss(self.labels, self.codes, 5.0, distance_metric="squared-L2"))
            self.assertAlmostEqual(self.loss(mining=mining, margin=5.0), expected, places=4)

    def test_a_batch_without_two_images_of_a_class_has_no_triplet_loss(self):
        for labels in (np.arange(8), np.zeros(1, int)):
            logits = tf.Variable(self.logits[:len(labels)])
            for mining in (*MININGS, "none"):
                with self.subTest(mining, labels=labels), tf.GradientTape() as tape:
                    loss = objective.CodeLoss(_config(mining=mining, center_weight=1e-9), 8)(
                        labels[:, None], logits)
                self.assertAlmostEqual(float(loss), 0, places=5)
                self.assertTrue(np.isfinite(tape.gradient(loss, logits)).all())

    def test_batch_hard_by_a_slow_loop(self):
        hinges = []
        distances = ((self.codes[:, None] - self.codes[None])**2).sum(axis=-1)
        for anchor, label in enumerate(self.labels):
            same = (self.labels == label) & (np.arange(8) != anchor)
            nearest = distances[anchor][self.labels != label].min()
            hinges.append(max(0, distances[anchor][same].max() - nearest + 5))
        self.assertAlmostEqual(self.loss(mining="batch_hard", margin=5.0), np.mean(hinges), places=4)

    def test_weighted_terms_add_up(self):
        centers = class_centers(3, 16, 0)
        expected = (2 * code_losses.center_loss(self.labels, self.codes, centers, 0.2, 8.0)
                    + 3 * code_losses.quantization_loss(self.codes) + 4 * code_losses.balance_loss(self.codes)
                    + 5 * code_losses.decorrelation_loss(self.codes))
        found = self.loss(triplet_weight=0, mining="none", center_weight=2, quantization_weight=3,
                          balance_weight=4, decorrelation_weight=5)
        self.assertAlmostEqual(found, float(expected), places=4)


class CompileTest(unittest.TestCase):
    def test_a_frozen_backbone_stays_and_the_code_layer_moves(self):
        keras.utils.set_random_seed(0)
        config = _config(backbone_learning_rate_factor=0.0, classification_weight=1.0, schedule="linear",
                         warmup_steps=0, num_steps=4)
        model = build_hashing(config.model_config())
        objective.freeze(model, config)
        part = objective.compile_hashing(model, config, 3)
        before = model.get_layer("backbone").get_weights(), model.get_layer("code_layer").get_weights()
        labels = np.arange(8) % 3
        images = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3)).astype(np.float32)
        part.train_on_batch(images, {"code_logits": labels, "class_logits": labels})
        for was, now in zip(before[0], model.get_layer("backbone").get_weights()):
            np.testing.assert_array_equal(was, now)
        self.assertGreater(np.abs(model.get_layer("code_layer").get_weights()[0] - before[1][0]).max(), 0)

    def test_codes_are_to_give_back_the_features(self):
        keras.utils.set_random_seed(0)
        config = _config(mining="none", center_weight=1e-9, reconstruction_weight=2.0, prefix_sizes=(8,),
                         num_steps=1, warmup_steps=1)
        model = build_hashing(config.model_config())
        part = objective.compile_hashing(model, config, 3)
        images = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3)).astype(np.float32)
        outputs = model(images)
        kernel, bias = part.get_layer("reconstructed").get_weights()
        lacking = outputs["code_logits"] @ kernel + bias - outputs["features"]
        labels = np.arange(8) % 3
        found = part.evaluate(images, dict.fromkeys(("code_logits", "reconstruction"), labels), verbose=0,
                              return_dict=True)
        self.assertAlmostEqual(found["loss"], 2 * float(np.mean(lacking**2)), places=4)

    def test_statistics_move_by_the_momentum_that_was_set(self):
        config = _config(batch_norm_momentum=0.5)
        model = build_hashing(config.model_config())
        objective.freeze(model, config)
        before = {weight.name: weight.numpy() for weight in model.weights}
        images = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3)).astype(np.float32)
        model(images, training=True)
        first = next(weight for weight in model.weights if weight.name.endswith("moving_mean:0"))
        moved = first.numpy() - before[first.name]
        model(images, training=True)  # the same statistics: half of what was left
        np.testing.assert_allclose(first.numpy() - before[first.name], 1.5 * moved, rtol=1e-3, atol=1e-6)
        self.assertGreater(np.abs(moved).max(), 0)


if __name__ == "__main__":
    unittest.main()
