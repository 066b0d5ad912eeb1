import unittest

import keras
import numpy as np

from vae.networks.detail_translator import build_detail_translator


class DetailTranslatorTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        keras.utils.set_random_seed(0)
        cls.network = build_detail_translator(widths=(4, 4, 4, 4))

    def test_begins_as_a_lighter_photograph(self):
        images = np.random.default_rng(0).uniform(0, 0.5, (2, 32, 48, 3)).astype(np.float32)
        found = self.network(images).numpy()
        self.assertEqual(found.shape, images.shape)
        np.testing.assert_allclose(found, np.exp(0.5) * images + 0.1, atol=0.05)

    def test_a_single_pixel_stays_where_it_is(self):
        images = np.full((1, 32, 32, 3), 0.2, np.float32)
        changed = images.copy()
        changed[0, 9, 21] = 0.8
        difference = np.abs(self.network(changed).numpy() - self.network(images).numpy()).sum(axis=-1)[0]
        self.assertEqual(np.unravel_index(difference.argmax(), difference.shape), (9, 21))
        difference[9, 21] = 0
        self.assertLess(difference.max(), 0.2)

    def test_black_photographs_are_finite(self):
        self.assertTrue(np.all(np.isfinite(self.network(np.zeros((1, 16, 16, 3), np.float32)))))


if __name__ == "__main__":
    unittest.main()
