"""Where image files say that they were taken, and what damage to that comes to."""

import io
import os
import pathlib
import tempfile
import unittest
from unittest import mock

import numpy as np
from PIL import Image

from data_prep.images import intake, place, tiff_data
from tests.fixtures import photographs

PLACES = ((48.208411, 16.373741), (-33.856784, 151.215297), (40.689247, -74.044502), (-54.8, -68.3))
EXIF = {image_format: {"exif": photographs.gps_exif(*PLACES[0])}
        for image_format in ("JPEG", "PNG", "WEBP", "AVIF")}


def encoded(image_format: str = "JPEG", **options) -> bytes:
    return photographs.encode(photographs.pixels(), image_format, **options)


class PlaceOfImageTest(unittest.TestCase):
    def assert_place(self, image: bytes, expected):
        self.assertIsNotNone(place.place_of_image(image))
        np.testing.assert_allclose(place.place_of_image(image), expected, atol=1e-5)

    def test_every_format_that_has_exif_data(self):
        for image_format, options in EXIF.items():
            with self.subTest(image_format):
                self.assert_place(encoded(image_format, **options), PLACES[0])

    def test_tiff_is_exif_data_itself(self):
        self.assert_place(photographs.gps_exif(*PLACES[0]).removeprefix(b"Exif\0\0"), PLACES[0])

    def test_north_and_south_east_and_west(self):
        for expected in PLACES:
            self.assert_place(encoded(exif=photographs.gps_exif(*expected)), expected)

    def test_either_byte_order(self):
        big = Image.Exif()
        big.endian = ">"
        big[0x0112] = 1
        big.get_ifd(0x8825).update({1: "S", 2: (33.5, 0.0, 0.0), 3: "W", 4: (70.25, 0.0, 0.0)})
        data = big.tobytes()
        self.assertIn(b"MM\0*", data[:10])
        self.assertEqual(tiff_data.place_of(data), (-33.5, -70.25))

    def test_no_place_where_none_was_found(self):
        for changes in ({"_9": "V"}, {"_2": None}, {"_3": None}, {"_2": (91.0, 0.0, 0.0)}, {"_1": "X"},
                        {"_1": ""}, {"_4": (181.0, 0.0, 0.0)}, {"_2": (1.0,) * 4}):
            with self.subTest(changes):
                self.assertIsNone(place.place_of_image(encoded(
                    exif=photographs.gps_exif(*PLACES[0], **changes))))
        self.assertIsNone(place.place_of_image(encoded(exif=photographs.gps_exif(0.0, 0.0))))
        self.assertIsNone(place.place_of_image(encoded()))
        self.assert_place(encoded(exif=photographs.gps_exif(*PLACES[0], _9="A")), PLACES[0])

    def test_numbers_over_zero_are_no_places_but_0_over_0_seconds_are_none(self):
        data = bytearray(photographs.gps_exif(10.5, 20.25))
        numbers = [at for at in range(len(data) - 8) if data[at:at + 8] == bytes([30, 0, 0, 0, 1, 0, 0, 0])]
        data[numbers[0] + 4] = 0
        self.assertIsNone(tiff_data.place_of(bytes(data)))
        data[numbers[0]] = 0
        self.assertEqual(tiff_data.place_of(bytes(data)), (10.0, 20.25))

    def test_no_damage_raises(self):
        for image_format, options in EXIF.items():
            whole = encoded(image_format, **options)
            for cut in range(0, len(whole), 7):
                place.place_of_image(whole[:cut])
            rng = np.random.default_rng(0)
            for _ in range(300):
                changed = bytearray(whole)
                for at in rng.integers(0, min(len(whole), 400), 3):
                    changed[at] = rng.integers(256)
                place.place_of_image(bytes(changed))
        for nothing in (b"", b"II*\0", b"MM\0*\xff\xff\xff\xff", b"\xff\xd8\xff", b"no image"):
            self.assertIsNone(place.place_of_image(nothing))

    def test_heic_is_asked_of_its_package(self):
        heic = photographs.heic_header(48, 64)
        with mock.patch.object(intake, "reads_heic", lambda: False):
            self.assertIsNone(place.place_of_image(heic))
        package = mock.Mock()
        package.open_heif.return_value.info = {"exif": photographs.gps_exif(*PLACES[1])}
        with mock.patch.object(intake, "reads_heic", lambda: True), \
                mock.patch.dict("sys.modules", pillow_heif=package):
            self.assert_place(heic, PLACES[1])
            package.open_heif.side_effect = RuntimeError
            self.assertIsNone(place.place_of_image(heic))

    def test_files_and_what_is_none(self):
        with tempfile.TemporaryDirectory() as folder:
            for name, image_format in (("a.jpg", "JPEG"), ("b.png", "PNG")):
                path = pathlib.Path(folder) / name
                path.write_bytes(encoded(image_format, **EXIF[image_format]))
                np.testing.assert_allclose(place.place_in_file(str(path)), PLACES[0], atol=1e-5)
            self.assertIsNone(place.place_in_file(folder))
            self.assertIsNone(place.place_in_file(os.path.join(folder, "missing.jpg")))

    def test_pixels_are_taken_as_before(self):
        taken = intake.take_image(encoded(**EXIF["JPEG"]), decode_check=True)
        self.assertEqual(Image.open(io.BytesIO(taken.encoded)).size, (64, 48))


if __name__ == "__main__":
    unittest.main()
