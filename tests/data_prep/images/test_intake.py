"""What is usable stays byte for byte; what is not is encoded anew, or refused with the reason."""

import io
import unittest

import numpy as np
from PIL import Image, ImageOps

from data_prep.images import augment, image_headers
from data_prep.images.intake import take_image
from tests.fixtures import photographs


def decoded(encoded: bytes) -> np.ndarray:
    return augment.decode_image(encoded).numpy().astype(float)


class TakeImageTest(unittest.TestCase):
    def test_jpeg_and_png_stay_as_they_are(self):
        image = photographs.pixels(48, 64)
        deep = np.full((48, 64), 40_000, np.uint16)
        buffer = io.BytesIO()
        Image.fromarray(deep).save(buffer, "PNG")
        files = [("JPEG", photographs.encode(image, "JPEG", mode)) for mode in ("RGB", "L", "CMYK")]
        files += [("PNG", photographs.encode(image, "PNG", mode)) for mode in ("RGB", "L", "P", "LA", "RGBA")]
        for image_format, encoded in [*files, ("PNG", buffer.getvalue())]:
            for decode_check in (False, True):
                self.assertEqual(take_image(encoded, decode_check=decode_check),
                                 (encoded, image_format, 48, 64))

    def test_what_is_taken_is_what_the_reader_shows(self):
        image = photographs.pixels(48, 64)
        grey = np.repeat(np.asarray(Image.fromarray(image).convert("L"))[..., None], 3, -1)
        for image_format, mode, expected in (("JPEG", "RGB", image), ("JPEG", "L", grey),
                                             ("JPEG", "CMYK", image), ("PNG", "RGBA", image),
                                             ("WEBP", "RGB", image), ("GIF", "L", grey)):
            with self.subTest(format=image_format, mode=mode):
                taken = take_image(photographs.encode(image, image_format, mode))
                self.assertLess(np.abs(decoded(taken.encoded) - expected).mean(), 4)

    def test_sixteen_bits_become_eight(self):
        buffer = io.BytesIO()
        Image.fromarray(np.full((48, 64), 40_000, np.uint16)).save(buffer, "PNG")
        self.assertTrue((np.abs(decoded(take_image(buffer.getvalue()).encoded) - 40_000 / 257) < 1.5).all())

    def test_webp_becomes_jpeg(self):
        for options in ({}, {"lossless": True}):
            taken = take_image(photographs.encode(photographs.pixels(48, 64), "WEBP", **options))
            self.assertEqual(taken[1:], ("JPEG", 48, 64))
            self.assertEqual(image_headers.read_header(taken.encoded).format, "JPEG")

    def test_of_an_animation_the_first_frame_is_taken(self):
        first, second = (Image.fromarray(photographs.pixels(seed=seed)).convert("L") for seed in (1, 2))
        for image_format in ("GIF", "WEBP"):
            buffer = io.BytesIO()
            first.save(buffer, image_format, save_all=True, append_images=[second])
            with self.subTest(format=image_format):
                taken = take_image(buffer.getvalue())
                expected = np.asarray(first).astype(float)[..., None]
                self.assertLess(np.abs(decoded(taken.encoded) - expected).mean(), 4)

    def test_images_are_turned_upright(self):
        for orientation in range(1, 9):
            encoded = photographs.jpeg(exif=photographs.exif(orientation), subsampling=0)
            with self.subTest(orientation=orientation):
                expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(encoded)))).astype(float)
                taken = take_image(encoded)
                self.assertEqual((taken.height, taken.width), expected.shape[:2])
                self.assertLess(np.abs(decoded(taken.encoded) - expected).mean(), 3)
                self.assertEqual(image_headers.read_header(taken.encoded).orientation, 1)
                self.assertEqual(take_image(encoded, upright=False), (encoded, "JPEG", 48, 64))

    def test_same_file_same_bytes(self):
        encoded = photographs.encode(photographs.pixels(), "WEBP")
        self.assertEqual(take_image(encoded), take_image(encoded))

    def assert_refused(self, encoded: bytes, reason: str, **settings):
        with self.assertRaisesRegex(ValueError, reason):
            take_image(encoded, **settings)

    def test_refuses_other_kinds(self):
        self.assert_refused(photographs.encode(photographs.pixels(), "BMP"), "^none of JPEG, PNG, GIF, WebP")

    def test_refuses_what_does_not_decode(self):
        image = photographs.pixels()
        png = photographs.encode(image, "PNG").replace(b"IDAT", b"IDAT\0", 1)
        self.assert_refused(png, "^damaged PNG: does not decode$")
        webp = photographs.encode(image, "WEBP")
        self.assert_refused(webp[:23] + b"\0\0\0" + webp[26:], "^damaged WEBP: does not decode$")
        jpeg = photographs.jpeg()
        tables = jpeg.replace(b"\xff\xdb", b"\xff\xee")  # no quantisation tables
        self.assertEqual(take_image(tables).format, "JPEG")  # its headers are in order
        self.assert_refused(tables, "^damaged JPEG: does not decode$", decode_check=True)

    def test_refuses_a_huge_header_before_decoding(self):
        gif = bytearray(photographs.encode(photographs.pixels(), "GIF"))
        gif[6:10] = b"\x60\xea\x60\xea"
        for encoded in (photographs.with_size(photographs.jpeg(), 60_000, 60_000), bytes(gif)):
            self.assert_refused(encoded, "^60000 x 60000 pixels, more than the limit of 64000000$")


if __name__ == "__main__":
    unittest.main()
