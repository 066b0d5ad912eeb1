import unittest

import numpy as np

from delg.photometric.relighting import relit


class RelitTest(unittest.TestCase):
    def test_even_light_multiplies_every_pixel_alike(self):  # by (120 + 4) / (27 + 4)
        image = np.full((40, 60, 3), 27, np.uint8)
        image[::2, ::2], image[1::2, 1::2] = 20, 34  # of the same mean
        found = relit(image, np.full_like(image, 120)).astype(float)
        np.testing.assert_allclose(found, np.minimum(image * 4.0, 255), atol=2.0)

    def test_colours_and_details_stay_the_image_s_whatever_the_translation_is(self):
        generator = np.random.default_rng(0)
        image = generator.integers(20, 60, (64, 64, 3), dtype=np.uint8)
        found = relit(image, np.broadcast_to(np.uint8([200, 60, 100]), image.shape)).astype(float)
        ratios = found / image
        self.assertLess(np.ptp(ratios, axis=2).max(), 0.06)  # what rounding leaves
        self.assertGreater(ratios.min(), 2.0)

    def test_light_changes_slowly_and_within_eight_times(self):
        dark = np.zeros((448, 448, 3), np.uint8)
        dark[:, ::2] = 2
        bright = np.full_like(dark, 255)
        self.assertEqual(relit(dark, bright).max(), 16)
        self.assertEqual(relit(bright, dark).min(), 32)
        half = bright.copy()
        half[:, :224] = 0
        row = relit(np.full_like(half, 100), half)[200, :, 0].astype(int)
        self.assertLess(np.abs(np.diff(row)).max(), 8)
        self.assertGreater(row[-1], row[0] + 100)

    def test_images_of_any_form(self):
        for shape in ((1, 1, 3), (3, 500, 3), (700, 2, 3)):
            self.assertEqual(relit(np.ones(shape, np.uint8), np.ones(shape, np.uint8)).shape, shape)


if __name__ == "__main__":
    unittest.main()
