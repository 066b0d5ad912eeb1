import unittest

import numpy as np
import tensorflow as tf

from hashing.training.losses import asymmetric

_GAMMA = 3.0


def _objective(codes, rows, database, labels, lengths):
    """ADSH's objective, pair by pair, with the soft similarities of its program, by the square of lengths."""
    same = labels[rows][:, None] == labels
    total = 0.0
    for length in lengths:
        for query, row in enumerate(rows):
            u = codes[query, :length]
            for place, v in enumerate(database[:, :length]):
                similarity = 1.0 if same[query, place] else -same.sum() / (~same).sum()
                total += (length * similarity - u @ v)**2 / length**2
            total += _GAMMA * np.sum((u - database[row, :length])**2) / length**2
    return total


class AsymmetricTest(unittest.TestCase):
    def setUp(self):
        generator = np.random.default_rng(0)
        self.labels = generator.integers(0, 3, 12)
        self.rows = generator.permutation(12)[:5]
        self.codes = np.tanh(generator.normal(size=(5, 8))).astype(np.float32)
        self.negative = asymmetric.negative_similarity(self.labels[self.rows], self.labels)
        self.database = generator.choice([-1.0, 1.0], (12, 8)).astype(np.float32)

    def losses(self, codes, lengths):
        return asymmetric.asymmetric_losses(
            codes, self.labels[self.rows], self.rows, self.database, self.labels, self.negative, _GAMMA,
            lengths)

    def test_equals_the_equation_of_the_paper(self):
        for lengths in ((8,), (4, 8)):
            expected = _objective(self.codes, self.rows, self.database, self.labels, lengths)
            found = tf.reduce_sum(self.losses(self.codes, lengths)) * 12 * len(lengths)
            self.assertAlmostEqual(float(found), expected, places=3)

    def test_similarities_of_all_pairs_sum_to_zero(self):
        query_labels = np.array([0, 0, 1])
        negative = asymmetric.negative_similarity(query_labels, np.array([0, 1, 1, 2]))
        self.assertAlmostEqual(negative, -4 / 8)  # 1 + 1 + 2 of 12 pairs are of one class
        self.assertEqual(asymmetric.negative_similarity(np.zeros(2), np.zeros(3)), 0)

    def test_solving_never_raises_the_objective_and_ends_where_no_bit_would_lower_it(self):
        for lengths in ((8,), (4, 8)):
            database, before = self.database, np.inf
            for _ in range(8):
                now = _objective(self.codes, self.rows, database, self.labels, lengths)
                self.assertLessEqual(now, before + 1e-6)
                database, before = asymmetric.solve_database(database, self.codes, self.rows, self.labels,
                                                             self.negative, _GAMMA, lengths), now
            self.assertEqual(set(np.unique(database)), {-1.0, 1.0})
            for place in range(12):
                for bit in range(8):
                    flipped = database.copy()
                    flipped[place, bit] *= -1
                    self.assertGreaterEqual(
                        _objective(self.codes, self.rows, flipped, self.labels, lengths), before - 1e-6)

    def test_the_gradient_is_finite_and_lowers_the_loss(self):
        codes = tf.Variable(self.codes)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(self.losses(codes, (4, 8)))
        gradient = tape.gradient(loss, codes)
        self.assertTrue(np.isfinite(gradient).all())
        self.assertLess(float(tf.reduce_mean(self.losses(codes - 0.1 * gradient, (4, 8)))), float(loss))


if __name__ == "__main__":
    unittest.main()
