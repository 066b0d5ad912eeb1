"""Tests of vae.weighting.channel_weights."""

import unittest

import numpy as np

from vae.weighting import channel_weights
from vae.weighting.config import DISTANCES


class ChannelWeightsTest(unittest.TestCase):
    def test_all_weights_are_one_at_the_start_and_their_mean_square_stays_one(self):
        layer = channel_weights.ChannelWeights()
        features = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
        np.testing.assert_allclose(layer(features), features, atol=1e-6)
        layer.raw.assign([-3.0, 0.0, 2.0, 50.0])
        weights = layer.weights_of_channels().numpy()
        self.assertTrue((weights >= 0).all() and (np.diff(weights) > 0).all())
        self.assertAlmostEqual(float(np.mean(weights**2)), 1, places=5)
        layer.raw.assign(np.float32([10, 20, 30, 40]))
        before = layer.weights_of_channels().numpy()
        layer.raw.assign(np.float32([100, 200, 300, 400]))  # a larger scale is no other weighting
        np.testing.assert_allclose(layer.weights_of_channels(), before, atol=1e-3)


class DistancesTest(unittest.TestCase):
    first = np.array([[[3.0, 0.0], [0.0, 0.0]]], np.float32)
    second = np.array([[[0.0, 4.0], [0.0, 1.0]]], np.float32)

    def test_paper_is_the_mean_over_positions(self):
        found = DISTANCES["paper"].between(self.first, self.second)
        np.testing.assert_allclose(found, [(5 + 1) / 2], atol=1e-5)

    def test_pooled_is_between_vectors_of_unit_norm(self):
        found = DISTANCES["pooled"].between(self.first, self.second)
        np.testing.assert_allclose(found, [2**0.5], atol=1e-5)
        np.testing.assert_allclose(DISTANCES["pooled"].between(self.first, 7 * self.first), [0], atol=1e-5)

    def test_distances_are_in_units_and_means_over_layers(self):
        model = channel_weights.build_weighting({"a": (2, 2), "b": (1, 1)}, "paper", {"a": 2.0, "b": 10.0})
        triplet = np.stack([self.first, self.second, self.first], axis=1)
        other = np.array([[[[0.0]], [[10.0]], [[30.0]]]], np.float32)
        np.testing.assert_allclose(model({"a": triplet, "b": other}),
                                   [[(3 / 2 + 10 / 10) / 2, (0 + 30 / 10) / 2]], atol=1e-5)


class TripletHingeTest(unittest.TestCase):
    def test_easy_triplets_do_not_hide_hard_ones(self):
        distances = np.array([[1.0, 9.0], [5.0, 4.0]], np.float32)  # of means the hinge would be 0
        loss = channel_weights.TripletHinge(0.5)
        self.assertAlmostEqual(float(loss(np.zeros((2, 2)), distances)), (0 + 1.5) / 2)
        self.assertEqual(channel_weights.triplet_accuracy(None, distances).numpy().tolist(), [1, 0])


if __name__ == "__main__":
    unittest.main()
