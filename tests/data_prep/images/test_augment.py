"""Every kind of image comes out as three channels, and a crop depends on its seed alone."""

import io
import unittest

import numpy as np
import tensorflow as tf
from PIL import Image

from data_prep.images import augment
from tests.fixtures import photographs

KINDS = (("JPEG", "RGB"), ("JPEG", "L"), ("JPEG", "CMYK"), ("PNG", "RGB"), ("PNG", "L"), ("PNG", "P"),
         ("PNG", "LA"), ("PNG", "RGBA"))


class DecodeImageTest(unittest.TestCase):
    def test_every_kind_has_its_colours(self):
        image = photographs.pixels()
        for image_format, mode in KINDS:
            with self.subTest(format=image_format, mode=mode):
                encoded = photographs.encode(image, image_format, mode)
                decoded = augment.decode_image(encoded)
                expected = np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB"), float)
                self.assertEqual((decoded.shape, decoded.dtype), ((48, 64, 3), tf.uint8))
                self.assertLess(np.mean(np.abs(decoded.numpy() - expected)), 2)

    def test_exif_orientation_is_left_alone(self):
        exif = Image.Exif()
        exif[0x0112] = 6  # a quarter turn
        self.assertEqual(augment.decode_image(photographs.jpeg(exif=exif.tobytes())).shape, (48, 64, 3))

    def test_truncated_image_raises(self):
        with self.assertRaises(tf.errors.InvalidArgumentError):
            augment.decode_image(photographs.jpeg()[:-200])


class ResizeWholeTest(unittest.TestCase):
    def test_shrinking_averages(self):  # columns of 0 and 200 in turn
        stripes = np.zeros((64, 64, 3), np.uint8)
        stripes[:, ::2] = 200
        small = augment.resize_whole(photographs.encode(stripes, "PNG"), 8)
        np.testing.assert_allclose(small[1:-1, 1:-1], 100, atol=1)

    def test_aspect_is_not_kept(self):
        halves = np.zeros((20, 80, 3), np.uint8)
        halves[:, 40:] = 240
        small = augment.resize_whole(photographs.encode(halves, "PNG"), 10).numpy()
        self.assertEqual(small.shape, (10, 10, 3))
        self.assertEqual(small[5, 0].tolist() + small[5, 9].tolist(), [0, 0, 0, 240, 240, 240])


class DecoderScalingTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        pixels = photographs.pixels(60, 80).repeat(10, 0).repeat(10, 1)
        cls.jpeg, cls.png = (photographs.encode(pixels, image_format) for image_format in ("JPEG", "PNG"))

    def assert_close(self, one: tf.Tensor, other: tf.Tensor):
        difference = np.abs(one.numpy().astype(float) - other.numpy())
        self.assertLess(difference.mean(), 3)

    def test_whole_images_look_the_same(self):  # 600 x 800: ratios 1, 1, 2, 4 and 8
        for size in (599, 301, 300, 120, 40):
            with self.subTest(size=size):
                self.assert_close(augment.resize_whole(self.jpeg, size), augment.resize_whole(self.png, size))

    def test_crops_look_the_same(self):
        for size in (200, 64, 32):
            for number in range(8):
                with self.subTest(size=size, number=number):
                    self.assert_close(random_crop(self.jpeg, size, [1, number], 0.5),
                                      random_crop(self.png, size, [1, number], 0.5))

    def test_only_what_is_large_enough_is_shrunk(self):
        for size, expected in ((599, 1), (301, 1), (300, 2), (151, 2), (150, 4), (75, 8), (10, 8)):
            choice = augment._choose_ratio(tf.constant([600, 800]), size)
            self.assertEqual(augment._RATIOS[int(choice)], expected)


def random_crop(encoded: bytes, image_size: int, seed: list, *arguments: float) -> tf.Tensor:
    return augment.random_crops(tf.constant([encoded]), image_size, tf.constant([seed]), *arguments)[0]


class RandomCropTest(unittest.TestCase):
    def test_every_kind(self):
        for image_format, mode in KINDS:
            with self.subTest(format=image_format, mode=mode):
                crop = random_crop(photographs.encode(photographs.pixels(), image_format, mode), 24,
                                           [1, 2])
                self.assertEqual((crop.shape, crop.dtype), ((24, 24, 3), tf.uint8))

    def test_jpeg_and_png_give_the_same_part(self):
        image = photographs.pixels(200, 300)
        jpeg, png = (random_crop(photographs.encode(image, image_format), 32, [3, 4]).numpy()
                     for image_format in ("JPEG", "PNG"))
        self.assertLess(np.mean(np.abs(jpeg.astype(float) - png)), 3)

    def test_same_seed_same_crop(self):
        encoded = photographs.jpeg()
        one, two, other = (random_crop(encoded, 16, [1, number]).numpy() for number in (2, 2, 3))
        np.testing.assert_array_equal(one, two)
        self.assertGreater(np.mean(np.abs(one.astype(float) - other)), 1)

    def test_the_images_of_a_batch_are_traced_once(self):
        batch, seeds = tf.constant([photographs.jpeg()] * 3), tf.constant([[1, 2], [3, 4], [5, 6]])
        before = augment._random_part.experimental_get_tracing_count()
        augment.random_crops(batch, 27, seeds)
        self.assertEqual(augment._random_part.experimental_get_tracing_count(), before + 1)

    def test_area_and_aspect_are_those_of_the_paper(self):
        # Red tells the column and green the row, so the corners of a crop tell where it lies.
        rows, columns = np.mgrid[0:240, 0:240]
        encoded = photographs.encode(np.stack([columns, rows, 0 * rows], -1).astype(np.uint8), "PNG")
        areas, aspects = [], []
        for number in range(60):
            crop = random_crop(encoded, 64, [0, number]).numpy().astype(float)
            height, width = ((crop[-1, -1, axis] - crop[0, 0, axis]) * 64 / 63 for axis in (1, 0))
            areas.append(height * width / 240**2)
            aspects.append(width / height)
        self.assertGreater(min(areas), 0.07)
        self.assertLess(min(areas), 0.2)
        self.assertGreater(max(areas), 0.8)
        self.assertGreater(min(aspects), 0.72)
        self.assertLess(max(aspects), 1.39)

    def test_shrinking_averages(self):
        rows, columns = np.mgrid[0:200, 0:200]
        chequers = np.repeat(((rows + columns) % 2 * 255).astype(np.uint8)[..., None], 3, -1)
        crop = random_crop(photographs.encode(chequers, "PNG"), 60, [0, 0], 1.0).numpy().astype(float)
        self.assertLess(np.std(crop), 20)  # bilinear interpolation alone: 38

    def test_never_mirrored(self):
        rows, columns = np.mgrid[0:240, 0:240]
        encoded = photographs.encode(np.stack([columns, rows, 0 * rows], -1).astype(np.uint8), "PNG")
        for number in range(20):
            crop = random_crop(encoded, 16, [5, number]).numpy().astype(int)
            self.assertLess(crop[0, 0, 0], crop[0, -1, 0])


if __name__ == "__main__":
    unittest.main()
