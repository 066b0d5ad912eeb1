import unittest

import numpy as np
import tensorflow as tf

from vae.training.relighting import relight


class RelightTest(unittest.TestCase):
    def setUp(self):
        self.images = tf.constant(np.random.default_rng(0).uniform(0, 1, (2, 8, 12, 3)), tf.float32)

    def test_same_seed_same_light(self):
        first, again, other = (relight(self.images, tf.constant(seed)).numpy()
                               for seed in ([1, 2], [1, 2], [1, 3]))
        np.testing.assert_array_equal(first, again)
        self.assertGreater(np.abs(first - other).mean(), 0.01)

    def test_images_stay_images(self):
        found = relight(self.images, tf.constant([1, 2])).numpy()
        self.assertEqual(found.shape, self.images.shape)
        self.assertGreaterEqual(found.min(), 0)
        self.assertLessEqual(found.max(), 1)

    def test_each_image_has_its_own_light(self):
        same = tf.tile(self.images[:1], [2, 1, 1, 1])
        found = relight(same, tf.constant([1, 2])).numpy()
        self.assertGreater(np.abs(found[0] - found[1]).mean(), 0.05)

    def test_light_is_smooth(self):
        """On an even picture neighbours differ by the noise and a gentle slope alone."""
        found = relight(tf.fill([1, 32, 32, 3], 0.5), tf.constant([1, 2])).numpy()[0]
        across = np.abs(found[:, :24].mean(0) - found[:, 8:].mean(0)).mean()
        beside = np.abs(found[:, 1:].mean(0) - found[:, :-1].mean(0)).mean()
        self.assertGreater(across, 2 * beside)


if __name__ == "__main__":
    unittest.main()
