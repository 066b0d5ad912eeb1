"""delg.vectors.logistic_regression: probabilities by hand, weights of one sign, separable data."""

import unittest

import numpy as np

from delg.vectors import logistic_regression


class LogisticRegressionTest(unittest.TestCase):
    def test_probabilities_by_hand(self):  # 1 / (1 + exp(-(2 * 1 - 2))), 1 / (1 + 1/3)
        found = logistic_regression.probabilities([[1], [1 + np.log(3) / 2]], np.array([2]), -2)
        np.testing.assert_allclose(found, [0.5, 0.75])

    def test_finds_the_weights_that_made_the_labels(self):
        generator = np.random.default_rng(0)
        inputs = generator.normal(size=(20_000, 2))
        labels = generator.random(20_000) < logistic_regression.probabilities(inputs, np.array([2, 0.5]), -1)
        weights, bias = logistic_regression.fit(inputs, labels)
        np.testing.assert_allclose([*weights, bias], [2, 0.5, -1], atol=0.1)

    def test_an_input_that_speaks_against_counts_nothing(self):
        generator = np.random.default_rng(0)
        inputs = generator.normal(size=(2000, 2))
        labels = inputs[:, 0] - inputs[:, 1] + generator.normal(size=2000) > 0
        weights, _ = logistic_regression.fit(inputs, labels)
        self.assertEqual(weights[1], 0)
        self.assertGreater(weights[0], 0.5)

    def test_separable_data_have_finite_weights_and_platts_targets(self):
        inputs, labels = np.array([[0], [0], [1], [1]]), np.array([False, False, True, True])
        found = logistic_regression.probabilities(inputs, *logistic_regression.fit(inputs, labels, l2=1e-9))
        np.testing.assert_allclose(found, [0.25, 0.25, 0.75, 0.75], atol=1e-3)  # (2 + 1) / (2 + 2)

    def test_refuses_one_label(self):
        with self.assertRaisesRegex(ValueError, "both labels. Received: 2 true, 0 false"):
            logistic_regression.fit([[0], [1]], [True, True])


if __name__ == "__main__":
    unittest.main()
