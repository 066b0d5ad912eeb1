"""Tests of vae.report.backprojection."""

import unittest

import numpy as np
import tensorflow as tf

from vae.networks.config import ModelConfig
from vae.networks.model import build_vae, encode
from vae.report.backprojection import backproject


class BackprojectTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        tf.keras.utils.set_random_seed(0)
        cls.model = build_vae(ModelConfig(image_size=16, width=1 / 32))
        cls.images = np.random.default_rng(0).integers(0, 255, (2, 16, 16, 3), dtype=np.uint8)

    def test_agrees_with_small_changes_of_a_pixel(self):
        heat = backproject(self.model, self.images, "night", "latent", 3)
        self.assertEqual((heat.shape, heat.dtype), ((2, 16, 16), np.float32))
        pixels = self.images[:1].astype(np.float32) / 255

        def activation(values):
            return float(tf.reduce_sum(encode(self.model, tf.constant(values), "night", training=False)
                                       ["latent"][..., 3]))

        slopes = []
        for colour in range(3):
            both = []
            for sign in (1, -1):
                changed = pixels.copy()
                changed[0, 7, 9, colour] += sign * 1e-2
                both.append(activation(changed))
            slopes.append((both[0] - both[1]) / 2e-2)
        self.assertAlmostEqual(float(heat[0, 7, 9]), float(np.linalg.norm(slopes)),
                               delta=0.05 * float(heat[0].max()))

    def test_domains_have_encoders_of_their_own(self):
        day, night = (backproject(self.model, self.images, domain, "latent", 0)
                      for domain in ("day", "night"))
        self.assertFalse(np.allclose(day, night))

    def test_refuses_what_is_not_there(self):
        with self.assertRaisesRegex(ValueError, "`layer` must be one of .*layer='top'"):
            backproject(self.model, self.images, "day", "top", 0)
        with self.assertRaisesRegex(ValueError, r"`channel` must be in \[0, 8\).*channel=8"):
            backproject(self.model, self.images, "day", "latent", 8)


if __name__ == "__main__":
    unittest.main()
