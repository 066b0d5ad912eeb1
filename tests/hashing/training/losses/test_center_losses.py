import unittest

import keras
import numpy as np
import tensorflow as tf

from hashing.codes import codes
from hashing.training.config import CENTER_LOSSES, TrainConfig
from hashing.training.loop import validation_map
from hashing.training.losses import centers

_CONFIG = TrainConfig("t", "m", center_margin=0.3, center_scale=5.0)


def _cosine_softmax(labels, values, targets, margin, scale):
    """OrthoHash, image by image: -log of the softmax of scaled cosines, the true one less the margin."""
    total = 0.0
    for label, value in zip(labels, values):
        weights = []
        for other, target in enumerate(targets):
            cosine = value @ target / np.linalg.norm(value) / np.linalg.norm(target)
            weights.append(np.exp(scale * (cosine - margin * (other == label))))
        total -= np.log(weights[label] / np.sum(weights))
    return total / len(labels)


def _central_similarity(labels, codes_, targets):
    """CSQ, bit by bit: cross-entropy of h and c in [0, 1], a Kth of each sum over bits."""
    total = 0.0
    for label, code in zip(labels, codes_):
        for h, c in zip((code + 1) / 2, (targets[label] + 1) / 2):
            total -= (c * np.log(h) + (1 - c) * np.log(1 - h)) / len(code)
    return total / len(labels)


class CenterLossesTest(unittest.TestCase):
    def setUp(self):
        generator = np.random.default_rng(0)
        self.labels = generator.integers(0, 5, 7)
        self.logits = generator.normal(size=(7, 12)).astype(np.float32)
        self.targets = centers.bernoulli_centers(5, (12,))

    def test_each_equals_the_equation_of_its_paper(self):
        values, targets = self.logits.astype(np.float64), self.targets.astype(np.float64)
        for name, expected in (
                ("cosine", _cosine_softmax(self.labels, np.tanh(values), targets, 0.3, 5.0)),
                ("orthohash", _cosine_softmax(self.labels, values, targets, 0.3, 5.0)),
                ("csq", _central_similarity(self.labels, np.tanh(values), targets))):
            with self.subTest(name):
                found = CENTER_LOSSES[name](self.labels, self.logits, self.targets, _CONFIG)
                self.assertAlmostEqual(float(found), expected, places=5)

    def test_gradients_are_finite_even_at_corners_and_at_nothing(self):
        for logits in (self.logits, 1e4 * self.logits, 0 * self.logits):
            for name in CENTER_LOSSES:
                with self.subTest(name), tf.GradientTape() as tape:
                    values = tf.Variable(logits)
                    loss = CENTER_LOSSES[name](self.labels, values, self.targets, _CONFIG)
                self.assertTrue(np.isfinite(loss))
                self.assertTrue(np.isfinite(tape.gradient(loss, values)).all())

    def test_a_wrong_bit_at_a_corner_is_still_corrected(self):
        """Where tanh is 1 to the last digit, the logarithm of 1 - tanh would be none."""
        values = tf.Variable(tf.fill([1, 4], 30.0))
        with tf.GradientTape() as tape:
            loss = CENTER_LOSSES["csq"](np.array([0]), values, -np.ones((1, 4), np.float32), _CONFIG)
        np.testing.assert_allclose(tape.gradient(loss, values), np.full((1, 4), 2 / 4))

    def test_each_trains_a_layer_far_above_chance_and_alike_by_its_seed(self):
        generator = np.random.default_rng(1)
        labels = np.arange(120) % 6
        means = generator.normal(size=(6, 10))
        inputs = (means[labels] + generator.normal(size=(120, 10))).astype(np.float32)
        targets = centers.class_centers(6, 16)
        for name in CENTER_LOSSES:
            trained = []
            for _ in range(2):
                keras.utils.set_random_seed(2)
                layer = keras.layers.Dense(16, input_shape=(10,))
                model = keras.Sequential([layer])
                loss = CENTER_LOSSES[name]
                model.compile(keras.optimizers.Adam(0.02), lambda labels, values, loss=loss: loss(
                    tf.cast(tf.reshape(labels, [-1]), tf.int32), values, targets, _CONFIG))
                before = validation_map(codes.binarize(model(inputs).numpy()), labels)
                model.fit(inputs, labels, batch_size=40, epochs=30, verbose=0)
                trained.append(model(inputs).numpy())
            with self.subTest(name):
                np.testing.assert_array_equal(*trained)
                self.assertGreater(validation_map(codes.binarize(trained[0]), labels), before + 0.2)


if __name__ == "__main__":
    unittest.main()
