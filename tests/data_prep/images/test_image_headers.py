"""Headers are read, and files that must not be decoded are refused, without decoding."""

import struct
import unittest
import zlib

import numpy as np

from data_prep.images import image_headers
from tests.fixtures import photographs


class HeaderTest(unittest.TestCase):
    def test_of_every_kind(self):
        image = photographs.pixels(48, 64)
        for image_format, mode, options, channels in (
                ("JPEG", "RGB", {}, 3), ("JPEG", "RGB", {"progressive": True}, 3), ("JPEG", "L", {}, 1),
                ("JPEG", "CMYK", {}, 4), ("JPEG", "RGB", {"comment": b"\xff\xd9\xff\xc0" * 9}, 3),
                ("PNG", "RGB", {}, 3), ("PNG", "L", {}, 1), ("PNG", "P", {}, 1), ("PNG", "LA", {}, 2),
                ("PNG", "RGBA", {}, 4), ("GIF", "RGB", {}, 1), ("WEBP", "RGB", {}, 3),
                ("WEBP", "RGB", {"lossless": True}, 3), ("WEBP", "RGBA", {}, 3), ("BMP", "RGB", {}, 3),
                ("BMP", "P", {}, 3), ("TIFF", "RGB", {}, 3), ("TIFF", "L", {"compression": "tiff_lzw"}, 1),
                ("TIFF", "RGBA", {}, 4)):
            with self.subTest(format=image_format, mode=mode, **options):
                encoded = photographs.encode(image, image_format, mode, **options)
                self.assertEqual(image_headers.check_image(encoded), (image_format, 48, 64, channels, 1))

    def test_of_avif_and_heic(self):
        for brand, image_format in ((b"heic", "HEIC"), (b"mif1", "HEIC"), (b"avif", "AVIF")):
            header = image_headers.check_image(photographs.heic_header(48, 64, brand))
            self.assertEqual(header, (image_format, 48, 64, 3, 1))

    def test_of_a_bitmap_from_the_top_down_and_of_an_old_one(self):
        encoded = bytearray(photographs.encode(photographs.pixels(), "BMP"))
        encoded[22:26] = (-48).to_bytes(4, "little", signed=True)
        self.assertEqual(image_headers.check_image(bytes(encoded))[1:3], (48, 64))
        core = b"BM" + bytes(8) + struct.pack("<IIHHHH", 26, 12, 64, 48, 1, 24) + bytes(64 * 48 * 3)
        self.assertEqual(image_headers.check_image(core)[:3], ("BMP", 48, 64))

    def test_orientation(self):
        for orientation in range(1, 9):
            for image_format in ("JPEG", "PNG", "WEBP", "TIFF"):
                encoded = photographs.oriented(image_format, orientation)
                self.assertEqual(image_headers.check_image(encoded).orientation, orientation, image_format)
            for little in (True, False):
                encoded = photographs.jpeg(exif=photographs.exif(orientation, little))
                self.assertEqual(image_headers.check_image(encoded).orientation, orientation)

    def test_damaged_exif_says_nothing(self):
        exif = photographs.exif(6)
        for damaged in (exif[:-9], exif[:8], exif[:6] + b"XX" + exif[8:], photographs.exif(9)):
            self.assertEqual(image_headers.check_image(photographs.jpeg(exif=damaged)).orientation, 1)

    def test_fill_bytes_before_a_marker(self):
        encoded = photographs.jpeg()
        self.assertEqual(image_headers.check_image(encoded[:2] + b"\xff\xff" + encoded[2:]).width, 64)


class CheckImageTest(unittest.TestCase):
    def assert_refused(self, encoded: bytes, reason: str, **limits: int):
        with self.assertRaisesRegex(ValueError, reason):
            image_headers.check_image(encoded, **limits)

    def test_refuses_nothing_at_all(self):
        self.assert_refused(b"", "^zero bytes$")

    def test_refuses_text(self):
        self.assert_refused(b"<html>not found</html>",
                            "^none of JPEG, PNG, GIF, WEBP, BMP, TIFF, AVIF, HEIC: starts with b'<html>no'$")

    def test_refuses_truncated_data(self):
        for image_format in ("JPEG", "PNG", "GIF", "WEBP"):
            encoded = photographs.encode(photographs.pixels(), image_format)
            for share in (0.9, 0.999):
                self.assert_refused(encoded[:int(share * len(encoded))], f"^truncated {image_format}: no end")
        bitmap = photographs.encode(photographs.pixels(), "BMP")
        self.assert_refused(bitmap[:-1], "^truncated BMP: no end marker in 9269 bytes$")
        heic = photographs.heic_header(48, 64) + b"\0\0\1\0mdat" + bytes(248)
        self.assertEqual(image_headers.check_image(heic).height, 48)
        self.assert_refused(heic[:-1], "^truncated HEIC: no end marker")

    def test_refuses_fewer_bytes_of_jpeg_than_its_pixels_need(self):
        self.assert_refused(photographs.with_size(photographs.jpeg(), 4000, 3000),
                            r"^truncated JPEG: \d+ bytes cannot hold the pixels of 3000 x 4000$")

    def test_takes_plain_jpeg_files_which_have_the_fewest_bytes(self):
        plain = np.full((2000, 3000, 3), 128, np.uint8)
        for mode in ("L", "RGB", "CMYK"):
            for progressive in (False, True):
                with self.subTest(mode=mode, progressive=progressive):
                    encoded = photographs.encode(plain, "JPEG", mode, quality=1, optimize=True,
                                                 progressive=progressive, subsampling=2)
                    self.assertEqual(image_headers.check_image(encoded).height, 2000)

    def test_the_end_of_a_thumbnail_is_not_the_end(self):
        thumbnail = photographs.jpeg(seed=1)
        encoded = photographs.jpeg(exif=b"Exif\0\0" + thumbnail)
        self.assertIn(thumbnail, encoded)
        self.assert_refused(encoded[:-50], "^truncated JPEG: no end marker")

    def test_bytes_after_the_end_do_no_harm(self):
        self.assertEqual(image_headers.check_image(photographs.jpeg() + b"\0" * 1000).height, 48)

    def test_refuses_truncated_header(self):
        self.assert_refused(photographs.jpeg()[:40], "^truncated header in 40 bytes$")
        self.assert_refused(photographs.encode(photographs.pixels(), "PNG")[:20], "^truncated header in 20 b")

    def test_refuses_huge_dimensions(self):
        bitmap = bytearray(photographs.encode(photographs.pixels(), "BMP"))
        bitmap[18:26] = struct.pack("<ii", 65_000, -60_000)
        for encoded in (photographs.with_size(photographs.jpeg(), 60_000, 65_000), bytes(bitmap),
                        photographs.heic_header(60_000, 65_000),
                        photographs.heic_header(60_000, 65_000, b"avif")):
            self.assert_refused(encoded, "^65000 x 60000 pixels, more than the limit of 64000000$")

    def test_limit_is_inclusive(self):
        self.assertEqual(image_headers.check_image(photographs.jpeg(), max_pixels=64 * 48).height, 48)
        self.assert_refused(photographs.jpeg(), "more than the limit of 3071", max_pixels=64 * 48 - 1)

    def test_refuses_size_zero(self):
        self.assert_refused(photographs.with_size(photographs.jpeg(), 0, 64), "^broken JPEG: 64 x 0 pixels")

    def test_refuses_a_loop_of_segments(self):
        self.assert_refused(b"\xff\xd8\xff\xe0\x00\x00" * 3, "^broken JPEG: segment of length 0 at byte 4$")

    def test_refuses_a_missing_marker(self):
        self.assert_refused(b"\xff\xd8\xff\xe0\x00\x02" + b"\x00" * 9, "^broken JPEG: no marker at byte 6$")

    def test_refuses_pixels_without_a_header(self):
        self.assert_refused(b"\xff\xd8\xff\xda\x00\x02", "^broken JPEG: pixels before the frame header$")

    def test_refuses_an_early_end(self):
        self.assert_refused(b"\xff\xd8\xff\xd9", "^broken JPEG: ends before its pixels$")

    def test_refuses_thousands_of_scans(self):
        encoded = photographs.jpeg(progressive=True)
        self.assert_refused(encoded[:-2] + b"\xff\xda\x00\x02" * 500 + encoded[-2:], "^JPEG of 500 scans")

    def test_refuses_many_scans_of_many_pixels(self):
        encoded = photographs.jpeg(progressive=True)
        size = encoded.index(b"\xff\xc2") + 5
        encoded = encoded[:size] + struct.pack(">HH", 8000, 8000) + encoded[size + 4:-2] + bytes(
            8000 * 8000 // 512) + encoded[-2:]
        image_headers.check_image(encoded)  # the ten scans of common encoders
        self.assert_refused(encoded[:-2] + b"\xff\xda\x00\x02" * 40 + encoded[-2:],
                            "^JPEG of 50 scans of 8000 x 8000 pixels, more than 2000000000 together$")

    def png(self, data: bytes, extra: bytes = b"", interlaced: int = 0) -> bytes:
        def chunk(name, content):
            return struct.pack(">I", len(content)) + name + content + struct.pack(
                ">I", zlib.crc32(name + content))

        header = struct.pack(">IIBBBBB", 16, 12, 8, 2, 0, 0, interlaced)
        return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", data[:40])
                + chunk(b"IDAT", data[40:]) + chunk(b"IEND", b""))

    def test_refuses_png_data_beyond_its_pixels(self):
        pixels = (b"\0" + b"\x80" * 48) * 12
        for interlaced in (0, 1):
            encoded = self.png(zlib.compress(pixels), interlaced=interlaced)
            self.assertEqual(image_headers.check_image(encoded).height, 12)
        self.assert_refused(self.png(zlib.compress(bytes(10_000_000))),
                            "^PNG whose data inflates to more than the 2176 bytes that its 16 x 12 pixels")

    def test_refuses_hundreds_of_compressed_texts(self):
        text = zlib.compress(b"x" * 1000)
        chunk = struct.pack(">I", 3 + len(text)) + b"zTXt" + b"x\0\0" + text + bytes(4)
        data = zlib.compress((b"\0" + b"\x80" * 48) * 12)
        self.assertEqual(image_headers.check_image(self.png(data, chunk * 32)).width, 16)
        self.assert_refused(self.png(data, chunk * 33), "^PNG of over 32 compressed chunks of text or")

    def test_refuses_kinds_that_no_decoder_reads(self):
        encoded = photographs.jpeg()
        start = encoded.index(b"\xff\xc0")
        self.assert_refused(encoded[:start + 1] + b"\xc3" + encoded[start + 2:],
                            "^JPEG of a kind that is not decoded: frame 0xc3, 8 bits$")
        self.assert_refused(encoded[:start + 4] + b"\x0c" + encoded[start + 5:],
                            "^JPEG of a kind that is not decoded: frame 0xc0, 12 bits$")

    def test_refuses_kinds_of_bitmaps_that_are_not_read(self):
        for compression, bits in ((1, 8), (4, 0), (0, 2)):
            encoded = bytearray(photographs.encode(photographs.pixels(), "BMP"))
            encoded[28:34] = struct.pack("<HI", bits, compression)
            self.assert_refused(bytes(encoded), "^BMP of a kind that is not decoded: "
                                                f"compression {compression}, {bits} bits$")

    def test_refuses_heif_without_a_picture_or_of_many(self):
        empty = b"\0\0\0\x1cftypheic" + bytes(200)
        self.assert_refused(empty, "^broken HEIC: 0 x 0 pixels")
        film = photographs.heic_header(48, 64) + b"\0\0\0\x08moov"
        self.assert_refused(film, "^HEIC of a kind that is not decoded: a sequence of images$")
        self.assert_refused(photographs.heic_header(48, 64) + b"\0\0\0\7mdat",
                            "^broken HEIF: box of length 7 at byte")
        self.assert_refused(b"\0\0\0\x10ftypisom\0\0\0\0", "^none of JPEG, .*: starts with .*ftypisom'$")

    def test_refuses_a_file_of_countless_parts(self):
        data = zlib.compress((b"\0" + b"\x80" * 48) * 12)
        self.assert_refused(self.png(data, bytes(12) * 200_000), "^image file of over 200000 parts$")

    def test_refuses_webp_of_unknown_kind(self):
        encoded = photographs.encode(photographs.pixels(), "WEBP").replace(b"VP8 ", b"VP9 ")
        self.assert_refused(encoded, "^broken WebP: first chunk b'VP9 '$")

    def test_refuses_png_of_unknown_kind(self):
        encoded = bytearray(photographs.encode(photographs.pixels(), "PNG"))
        encoded[25] = 7  # colour type
        self.assert_refused(bytes(encoded), "^broken PNG: does not start with its header$")


if __name__ == "__main__":
    unittest.main()
