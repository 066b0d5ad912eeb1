"""delg.features.preparing: what of an image the model sees."""

import io
import pathlib
import unittest

import cv2
import numpy as np
from PIL import Image

from delg.features.preparing import BadImageError, decode, pixels_of, prepare_image
from tests.fixtures import photographs
from tests.fixtures.temporary_files import FilesTest
from tests.fixtures.tiny_extraction import block_image


class LargeImageTest(unittest.TestCase):
    def test_the_limit_is_that_of_the_shards(self):
        encoded = photographs.encode(photographs.pixels(48, 64), "PNG")
        self.assertEqual(decode(encoded, 48 * 64).shape, (48, 64, 3))
        with self.assertRaisesRegex(BadImageError, "64 x 48 pixels, more than the limit of 3071"):
            decode(encoded, 48 * 64 - 1)


class PrepareImageTest(unittest.TestCase):
    def test_a_small_image_is_left_alone(self):
        image = block_image(40, 60, (0, 4), (0, 4))
        prepared = prepare_image(image, 60)
        np.testing.assert_array_equal(prepared.image, image)
        self.assertEqual((prepared.factors.tolist(), prepared.corner.tolist()), ([1, 1], [0, 0]))

    def test_zero_is_no_limit(self):
        self.assertEqual(prepare_image(np.zeros((40, 3000, 3), np.uint8), 0).image.shape, (40, 3000, 3))

    def test_the_longer_side_is_limited_by_averaging(self):
        image = block_image(80, 101, (0, 1), (0, 1), colour=(255, 0, 0))
        prepared = prepare_image(image, 50)
        self.assertEqual(prepared.image.shape, (40, 50, 3))
        np.testing.assert_allclose(prepared.factors, [40 / 80, 50 / 101])
        self.assertEqual(prepared.image[0, 0, 0], round(255 / (2 * 2.02)))
        self.assertEqual(prepared.image_size, (80, 101))

    def test_a_box_is_limited_as_the_whole_image_would_be(self):
        prepared = prepare_image(np.zeros((100, 200, 3), np.uint8), 100,
                                 query_bbox=np.float32([19.6, 10.4, 80, 50]))
        self.assertEqual(prepared.image.shape, (20, 30, 3))
        self.assertEqual((prepared.factors.tolist(), prepared.corner.tolist()), ([0.5, 0.5], [10, 20]))
        self.assertEqual(prepared.image_size, (100, 200))

    def test_keeps_the_pixels_that_the_largest_scale_can_use(self):
        for largest_scale, size, limit in ((0.5, (50, 25), 2), (1, (100, 50), 1), (1.5, (150, 75), 2 / 3),
                                           (4, (400, 200), 1 / 4), (8, (400, 200), 1 / 4)):
            prepared = prepare_image(np.zeros((400, 200, 3), np.uint8), 100, largest_scale)
            self.assertEqual(prepared.image.shape[:2], size)
            self.assertAlmostEqual(prepared.limit, limit)

    def test_a_box_is_cut_at_the_border(self):
        image = block_image(30, 30, (20, 30), (25, 30))
        prepared = prepare_image(image, 0, query_bbox=np.float32([25, 20, 99, 99]))
        np.testing.assert_array_equal(prepared.image, image[20:, 25:])

    def test_refuses_a_box_outside(self):
        with self.assertRaisesRegex(BadImageError, "box 40, 0, 50, 10 has no pixels of the 30 x 20"):
            prepare_image(np.zeros((20, 30, 3), np.uint8), 0, query_bbox=np.float32([40, 0, 50, 10]))


class PixelsOfTest(FilesTest):
    def test_every_form_gives_the_same_upright_pixels(self):
        image = photographs.pixels(20, 30)
        turned = photographs.oriented("PNG", 6, image)  # 6: stored on its left side
        with open(self.path("photo.png"), "wb") as file:
            file.write(turned)
        upright = pixels_of(self.path("photo.png"))
        self.assertEqual(upright.shape, (30, 20, 3))
        for form in (pathlib.Path(self.path("photo.png")), turned, upright, Image.open(io.BytesIO(turned))):
            np.testing.assert_array_equal(pixels_of(form), upright)

    def test_grey_pixels_become_three_channels(self):
        np.testing.assert_array_equal(pixels_of(np.full((5, 6), 77, np.uint8)), np.full((5, 6, 3), 77))

    def test_refuses_what_is_no_image(self):
        for form, message in ((np.zeros((5, 6, 3)), "uint8 .* Received: ndarray, float64 \\[5, 6, 3\\]"),
                              (None, "Received: NoneType, object"), (b"%PDF-1.7", "none of JPEG"),
                              (np.zeros((0, 6, 3), np.uint8), "Received: ndarray, uint8")):
            with self.assertRaisesRegex(ValueError, message):
                pixels_of(form)
        with self.assertRaisesRegex(FileNotFoundError, "Received: 'nowhere.jpg', which does not exist"):
            pixels_of("nowhere.jpg")


class DecodeTest(unittest.TestCase):
    def test_grey_becomes_three_channels(self):
        encoded = cv2.imencode(".png", np.full((5, 6), 77, np.uint8))[1].tobytes()
        np.testing.assert_array_equal(decode(encoded), np.full((5, 6, 3), 77))

    def test_refuses_a_truncated_image(self):
        encoded = cv2.imencode(".jpg", np.zeros((64, 64, 3), np.uint8))[1].tobytes()
        with self.assertRaisesRegex(BadImageError, "truncated JPEG"):
            decode(encoded[:-40])

    def test_refuses_another_kind_of_file(self):
        with self.assertRaisesRegex(BadImageError, "none of JPEG, PNG, GIF, WEBP"):
            decode(b"%PDF-1.7")


if __name__ == "__main__":
    unittest.main()
