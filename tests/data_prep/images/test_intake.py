"""What is usable stays byte for byte; what is not is encoded anew, or refused with the reason."""

import io
import itertools
import os
import sys
import tempfile
import types
import unittest
from unittest import mock

import cv2
import numpy as np
from PIL import Image, ImageOps, features

from data_prep.images import augment, image_headers, intake
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
                                 (encoded, image_format, 48, 64, 1))

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
            self.assertEqual(taken[1:], ("JPEG", 48, 64, 1))
            self.assertEqual(image_headers.check_image(taken.encoded).format, "JPEG")

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
        for orientation, image_format in itertools.product(range(1, 9), ("JPEG", "PNG", "WEBP", "TIFF")):
            encoded = photographs.oriented(image_format, orientation)
            with self.subTest(orientation=orientation, format=image_format):
                expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(encoded)))).astype(float)
                taken = take_image(encoded)
                self.assertEqual((taken.height, taken.width), expected.shape[:2])
                self.assertEqual(taken.orientation, orientation)
                self.assertLess(np.abs(decoded(taken.encoded) - expected).mean(), 3)
                self.assertEqual(image_headers.check_image(taken.encoded).orientation, 1)

    def test_images_stay_as_stored_where_asked(self):
        for image_format in ("JPEG", "PNG", "WEBP", "TIFF"):
            encoded = photographs.oriented(image_format, 6)
            taken = take_image(encoded, upright=False)
            self.assertEqual(taken[2:], (48, 64, 1))
            self.assertLess(np.abs(decoded(taken.encoded) - photographs.pixels()).mean(), 3)
            if image_format in ("JPEG", "PNG"):
                self.assertEqual(taken.encoded, encoded)

    def test_bmp_and_tiff_lose_nothing(self):
        image = photographs.pixels()
        for image_format, mode, options in (
                ("BMP", "RGB", {}), ("BMP", "L", {}), ("BMP", "P", {}), ("BMP", "1", {}), ("TIFF", "RGB", {}),
                ("TIFF", "L", {"compression": "packbits"}), ("TIFF", "RGBA", {"compression": "tiff_lzw"}),
                ("TIFF", "1", {}), ("TIFF", "P", {"compression": "tiff_adobe_deflate"})):
            with self.subTest(format=image_format, mode=mode):
                taken = take_image(photographs.encode(image, image_format, mode, **options))
                self.assertEqual(taken[1:], ("PNG", 48, 64, 1))
                expected = np.asarray(Image.fromarray(image).convert(mode).convert("RGB"))
                np.testing.assert_array_equal(decoded(taken.encoded), expected)

    def test_tiff_of_sixteen_bits(self):
        deep = photographs.pixels().astype(np.uint16) * 257
        colour = take_image(cv2.imencode(".tiff", deep[..., ::-1])[1].tobytes())
        np.testing.assert_array_equal(decoded(colour.encoded), photographs.pixels())
        grey = take_image(cv2.imencode(".tiff", deep[..., 0])[1].tobytes())
        np.testing.assert_array_equal(decoded(grey.encoded), photographs.pixels()[..., :1].repeat(3, axis=2))

    @unittest.skipUnless(features.check("avif"), "this Pillow reads no AVIF")
    def test_avif_becomes_jpeg_turned_as_its_picture_says(self):
        for exif, shape in ((None, (48, 64)), (photographs.exif(6)[6:], (64, 48))):
            encoded = photographs.encode(photographs.pixels(), "AVIF", quality=95, exif=exif or b"")
            taken = take_image(encoded, upright=False)
            self.assertEqual(taken[1:], ("JPEG", *shape, 1))
            expected = np.rot90(photographs.pixels(), 3 if exif else 0)
            self.assertLess(np.abs(decoded(taken.encoded) - expected).mean(), 5)
            broken = encoded[:encoded.index(b"mdat") + 4] + bytes(len(encoded) - encoded.index(b"mdat") - 4)
            self.assert_refused(broken, "^damaged AVIF: does not decode$")

    def test_heic_without_its_package_says_so(self):
        with mock.patch.dict(sys.modules, pillow_heif=None), mock.patch.object(
                intake, "reads_heic", return_value=False):
            self.assert_refused(photographs.heic_header(48, 64), "^HEIC is read where the package pillow-")

    def test_heic_is_what_its_package_reads(self):
        def read_heif(file):
            if not file.read().endswith(b"pixels"):
                raise ValueError("damaged")
            return mock.Mock(to_pillow=lambda: Image.fromarray(photographs.pixels()).convert("RGBA"))

        package = types.ModuleType("pillow_heif")
        package.read_heif = read_heif
        with mock.patch.dict(sys.modules, pillow_heif=package), mock.patch.object(
                intake, "reads_heic", return_value=True):
            taken = take_image(photographs.heic_header(48, 64) + b"\0\0\0\x0emdatpixels")
            self.assertEqual(taken[1:], ("JPEG", 48, 64, 1))
            self.assertLess(np.abs(decoded(taken.encoded) - photographs.pixels()).mean(), 4)
            self.assert_refused(photographs.heic_header(48, 64), "^damaged HEIC: does not decode$")

    @unittest.skipUnless(intake.reads_heic(), "pillow-heif is not installed")
    def test_real_heic(self):
        import pillow_heif

        for turn, shape in (({}, (48, 64)), ({"exif": photographs.exif(6)}, (64, 48))):
            buffer = io.BytesIO()
            pillow_heif.from_pillow(Image.fromarray(photographs.pixels())).save(buffer, quality=95, **turn)
            self.assertEqual(take_image(buffer.getvalue())[1:], ("JPEG", *shape, 1))

    def test_same_file_same_bytes(self):
        encoded = photographs.encode(photographs.pixels(), "WEBP")
        self.assertEqual(take_image(encoded), take_image(encoded))

    def assert_refused(self, encoded: bytes, reason: str, **settings):
        with self.assertRaisesRegex(ValueError, reason):
            take_image(encoded, **settings)

    def test_refuses_other_kinds(self):
        self.assert_refused(photographs.encode(photographs.pixels(), "PPM"), "^none of JPEG, PNG, GIF, WEBP")

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
        for compression in ("tiff_adobe_deflate", "tiff_lzw"):  # its data starts at byte 8
            tiff = photographs.encode(image, "TIFF", compression=compression)
            self.assert_refused(tiff[:8] + bytes(20) + tiff[28:], "^damaged TIFF: does not decode$")

    def test_refuses_a_huge_header_before_decoding(self):
        gif = bytearray(photographs.encode(photographs.pixels(), "GIF"))
        gif[6:10] = b"\x60\xea\x60\xea"
        for encoded in (photographs.with_size(photographs.jpeg(), 60_000, 60_000), bytes(gif)):
            self.assert_refused(encoded, "^60000 x 60000 pixels, more than the limit of 64000000$")


class ReadImageTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, content: bytes) -> str:
        path = os.path.join(self.folder.name, "phone.jpg")
        with open(path, "wb") as file:
            file.write(content)
        return path

    def test_is_what_a_build_takes(self):
        encoded = photographs.oriented("JPEG", 6)
        self.assertEqual(intake.read_image(self.path(encoded)), take_image(encoded))

    def test_a_picture_is_what_a_build_takes_but_for_rounding(self):
        for encoded in (photographs.oriented("JPEG", 6), photographs.oriented("TIFF", 8),
                        photographs.encode(photographs.pixels(48, 64), "GIF")):
            path = self.path(encoded)
            picture = intake.read_picture(path)
            self.assertEqual((picture.dtype, picture.flags.c_contiguous), (np.uint8, True))
            self.assertLess(np.abs(picture - decoded(take_image(encoded).encoded).astype(float)).mean(), 3)

    def test_names_the_file_that_does_not_decode(self):
        for content, reason in ((b"", "zero bytes"), (b"text", "none of JPEG"),
                                (photographs.jpeg().replace(b"\xff\xdb", b"\xff\xee"), "damaged JPEG")):
            with self.assertRaisesRegex(ValueError, "phone.jpg must be an image that can be decoded. "
                                                    f"Received: {reason}"):
                intake.read_image(self.path(content))
            with self.assertRaisesRegex(ValueError, f"phone.jpg must be .* Received: {reason}"):
                intake.read_picture(self.path(content))

    def test_refuses_a_huge_file_before_reading_it(self):
        path = self.path(b"")
        os.truncate(path, intake.MAX_FILE_BYTES + 1)
        with self.assertRaisesRegex(ValueError, "file of 268435457 bytes, more than 268435456"):
            intake.read_image(path)

    def test_refuses_what_is_not_there(self):
        with self.assertRaisesRegex(FileNotFoundError, "An image must be a file. Received: '.*/absent.jpg'"):
            intake.read_image(os.path.join(self.folder.name, "absent.jpg"))


if __name__ == "__main__":
    unittest.main()
