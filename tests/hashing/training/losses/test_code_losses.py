import itertools
import unittest

import numpy as np
import tensorflow as tf

from hashing.training.losses import centers, code_losses, triplets


def _batch(num_images=9, code_size=6, num_labels=3):
    generator = np.random.default_rng(0)
    return (generator.integers(0, num_labels, num_images),
            np.tanh(generator.normal(size=(num_images, code_size))).astype(np.float32))


def _triplets(labels, mirrored):
    for a, p, n in itertools.permutations(range(len(labels)), 3):
        if labels[a] == labels[p] != labels[n] and (mirrored or a < p):
            yield a, p, n


class TripletLossTest(unittest.TestCase):
    def test_equals_the_loop_over_triplets(self):
        labels, codes = _batch()
        for active_only, mirrored in itertools.product((True, False), repeat=2):
            hinges = [max(0.0, float(np.sum((codes[a] - codes[p])**2) - np.sum((codes[a] - codes[n])**2)) + 2)
                      for a, p, n in _triplets(labels, mirrored)]
            if active_only:
                hinges = [hinge for hinge in hinges if hinge > 0]
            found = code_losses.batch_all_triplet_loss(labels, codes, 2.0, active_only, mirrored)
            self.assertAlmostEqual(float(found), np.mean(hinges), places=5)

    def test_order_aware_equals_the_loop(self):
        labels, codes = _batch()
        distances = ((codes[:, None] - codes[None])**2).sum(axis=-1)
        total = weights = 0.0
        for a, p, n in _triplets(labels, True):
            order = [i for i in np.argsort(distances[a], kind="stable") if i != a]
            hinge = max(0.0, distances[a, p] - distances[a, n] + 2)
            weight = abs(1 / (order.index(p) + 1) - 1 / (order.index(n) + 1)) * (hinge > 0)
            total, weights = total + weight * hinge**2, weights + weight
        found = code_losses.batch_all_triplet_loss(labels, codes, 2.0, order_aware=True)
        self.assertAlmostEqual(float(found), total / weights, places=4)

    def test_a_batch_without_triplets_costs_nothing(self):
        codes = tf.Variable(np.eye(3, dtype=np.float32))
        with tf.GradientTape() as tape:
            loss = code_losses.batch_all_triplet_loss(np.array([0, 1, 2]), codes, 2.0)
        self.assertEqual(float(loss), 0)
        np.testing.assert_array_equal(tape.gradient(loss, codes), np.zeros((3, 3)))

    def test_the_paper_counts_each_pair_once(self):
        labels = np.array([4, 7, 4])
        for mirrored, expected in ((False, [[0], [2]]), (True, [[0, 2], [2, 0]])):
            found = triplets.positive_pairs(labels, mirrored)
            self.assertEqual([places.numpy().tolist() for places in found], expected)


class CodeLossTest(unittest.TestCase):
    def test_quantization_by_hand(self):  # (0.5^2 + 0 + 1 + 0.25^2) / 4
        loss = code_losses.quantization_loss(np.array([[0.5, -1.0], [0.0, 1.25]]))
        self.assertAlmostEqual(float(loss), 0.328125)

    def test_log_cosh_quantization_by_hand(self):  # (log cosh 1/2 + 0) / 2
        loss = code_losses.log_cosh_quantization_loss(np.array([[-0.5, 1.0]]))
        self.assertAlmostEqual(float(loss), np.log(np.cosh(0.5)) / 2, places=6)

    def test_balance_is_zero_where_signs_cancel(self):
        self.assertEqual(float(code_losses.balance_loss(np.array([[1.0, -1], [-1, 1]]))), 0)
        self.assertEqual(float(code_losses.balance_loss(np.array([[1.0, -1], [1, 1]]))), 0.5)

    def test_decorrelation_of_copies_and_of_independent_bits(self):
        independent = np.array([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])
        self.assertEqual(float(code_losses.decorrelation_loss(independent)), 0)
        self.assertEqual(float(code_losses.decorrelation_loss(independent[:, [0, 0]])), 1)

    def test_center_loss_by_hand(self):  # cosines 1 and -1, true one lowered by 0.5: log(1 + e^(-2 * 1.5))
        loss = code_losses.center_loss(np.array([0]), np.array([[3.0, 3.0]]), np.array([[1.0, 1], [-1, -1]]),
                                  margin=0.5, scale=2.0)
        self.assertAlmostEqual(float(loss), np.log(1 + np.exp(-3)), places=6)


class CentersTest(unittest.TestCase):
    def test_a_power_of_two_gives_half_the_bits_between_classes(self):
        found = centers.class_centers(17, 32)
        self.assertEqual(np.abs(found @ found.T - 32 * np.eye(17)).max(), 0)

    def test_other_sizes_stay_far_apart(self):
        found = centers.class_centers(17, 48)
        self.assertTrue(np.all(np.abs(found) == 1))
        self.assertGreaterEqual((48 - (found @ found.T - 96 * np.eye(17)).max()) / 2, 16)

    def test_more_classes_than_rows_are_all_different(self):
        self.assertEqual(len(np.unique(centers.class_centers(200, 16), axis=0)), 200)
        self.assertEqual(len(np.unique(centers.class_centers(4, 2), axis=0)), 4)

    def test_same_seed_same_centers(self):
        np.testing.assert_array_equal(centers.class_centers(9, 24, 5), centers.class_centers(9, 24, 5))

    def test_refuses_more_classes_than_codes(self):
        with self.assertRaisesRegex(ValueError, "outnumber codes. Received: 5 classes, code_size=2"):
            centers.class_centers(5, 2)

    def test_the_first_bits_are_centers_too(self):
        for num_classes, lengths, least in ((13, (16, 32, 48, 64), 1 / 2), (17, (12, 16, 24, 48), 1 / 6),
                                            (200, (16, 32, 64), 1 / 8)):
            found = centers.nested_centers(num_classes, lengths)
            self.assertEqual(found.shape, (num_classes, lengths[-1]))
            self.assertTrue(np.all(np.abs(found) == 1))
            for length in lengths:
                part = found[:, :length]
                self.assertGreaterEqual(
                    (1 - (part @ part.T / length - 2 * np.eye(num_classes)).max()) / 2, least)
        pieces = found[:13].reshape(13, 4, 16)  # none repeats another
        self.assertTrue(all(np.any(pieces[:, 0] != pieces[:, other]) for other in (1, 2, 3)))

    def test_tossed_codes_differ_from_the_first_bits_on(self):
        found = centers.bernoulli_centers(200, (8, 64), 3)
        self.assertEqual(len(np.unique(found[:, :8], axis=0)), 200)
        self.assertTrue(np.all(np.abs(found) == 1))
        self.assertLess(np.abs(found @ found.T / 64 - np.eye(200)).mean(), 0.12)  # 0.10 expected
        np.testing.assert_array_equal(found, centers.bernoulli_centers(200, (8, 64), 3))
        with self.assertRaisesRegex(ValueError, "outnumber codes. Received: 300 classes, code_size=8"):
            centers.bernoulli_centers(300, (8, 64))

    def test_one_length_has_the_centers_of_all_codes(self):
        np.testing.assert_array_equal(centers.nested_centers(9, (24,), 5), centers.class_centers(9, 24, 5))


if __name__ == "__main__":
    unittest.main()
