import math
import unittest

import numpy as np
import tensorflow as tf

from vae.training import losses


class LossesTest(unittest.TestCase):
    def test_mean_absolute_difference_by_hand(self):
        self.assertAlmostEqual(
            float(losses.mean_absolute_difference(tf.constant([1.0, 0.0]), tf.constant([0.5, 1.0]))), 0.75)

    def test_kl_of_unit_variance_is_the_mean_square(self):
        self.assertAlmostEqual(float(losses.kl_divergence(tf.constant([[[[1.0, -3.0]]]]))), 5.0)

    def test_kl_of_a_learnt_variance_by_hand(self):  # 0 + 4 - log 4 - 1
        value = losses.kl_divergence(tf.zeros([1, 1, 1, 1]), tf.fill([1, 1, 1, 1], math.log(4.0)))
        self.assertAlmostEqual(float(value), 3 - math.log(4.0), places=5)

    def test_discriminator_and_deception_by_hand(self):
        real, fake = tf.constant([1.0, 0.0]), tf.constant([0.5, 0.5])
        self.assertAlmostEqual(float(losses.discriminator_loss(real, fake)), 0.5 + 0.25)
        self.assertAlmostEqual(float(losses.deception_loss(tf.constant([1.0, 3.0]))), 2.0)

    def test_domain_loss_by_hand(self):  # logits 0: log 2 on both sides; sure and right: nothing
        self.assertAlmostEqual(float(losses.domain_loss(tf.zeros([3]), tf.zeros([2]))), math.log(2), places=6)
        self.assertAlmostEqual(float(losses.domain_loss(tf.fill([3], -50.0), tf.fill([2], 50.0))), 0.0)
        self.assertAlmostEqual(float(losses.domain_loss(tf.fill([3], 50.0), tf.fill([2], 50.0))), 25.0)


class InfoNceTest(unittest.TestCase):
    def test_equals_a_slow_loop(self):
        generator = np.random.default_rng(0)
        one, other = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
                      for vectors in generator.normal(size=(2, 4, 3)))
        labels = np.array([0, 1, 1, 2])
        total = 0.0
        for row in range(4):
            for left, right in ((one, other), (other, one)):
                cosines = {column: left[row] @ right[column] / 0.2 for column in range(4)
                           if column == row or labels[column] != labels[row]}
                total -= math.log(math.exp(cosines[row]) / sum(map(math.exp, cosines.values())))
        value = losses.info_nce(tf.constant(one), tf.constant(other), 0.2, tf.constant(labels),
                                tf.constant(labels))
        self.assertAlmostEqual(float(value), total / 8, places=5)

    def test_runs_inside_a_graph(self):
        same = tf.ones([4, 1])
        labels = tf.constant([0, 0, 1, 2])
        value = tf.function(losses.info_nce)(same, same, 0.1, labels, labels)
        self.assertAlmostEqual(float(value), (2 * math.log(3) + 2 * math.log(4)) / 4, places=5)

    def test_without_labels_all_others_count(self):
        same = tf.ones([4, 1])
        self.assertAlmostEqual(float(losses.info_nce(same, same, 0.1)), math.log(4), places=5)


if __name__ == "__main__":
    unittest.main()
