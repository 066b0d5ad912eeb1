"""What a TIFF file says is checked before its pixels are, so that work is bounded by the size it states."""

import struct
import unittest

from data_prep.images import image_headers, tiff_data
from tests.fixtures import photographs

WIDTH, HEIGHT, BITS, COMPRESSION, STRIPS, CHANNELS, ROWS, SIZES = 256, 257, 258, 259, 273, 277, 278, 279
TILE_WIDTH, TILE_HEIGHT, TILES, TILE_SIZES, SAMPLE_FORMAT = 322, 323, 324, 325, 339


def tiff(order: str = "<", pixels: bytes = bytes(48), **changes) -> bytes:
    """A grey file of 8 x 6 pixels in two strips; `changes` are tags, `_258=(8,)`, or None for none."""
    tags = {WIDTH: (8,), HEIGHT: (6,), BITS: (8,), COMPRESSION: (1,), STRIPS: (8, 32), CHANNELS: (1,),
            ROWS: (3,), SIZES: (24, 24), **{int(tag[1:]): values for tag, values in changes.items()}}
    tags = {tag: values for tag, values in sorted(tags.items()) if values is not None}
    start = 8 + len(pixels)
    directory, beyond = struct.pack(order + "H", len(tags)), b""
    for tag, values in tags.items():
        packed = struct.pack(f"{order}{len(values)}I", *values)
        if len(values) > 1:
            packed, beyond = (struct.pack(order + "I", start + 6 + 12 * len(tags) + len(beyond)),
                              beyond + packed)
        directory += struct.pack(order + "HHI", tag, 4, len(values)) + packed
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", start)
    return head + pixels + directory + bytes(4) + beyond


class ReadTiffTest(unittest.TestCase):
    def test_either_byte_order(self):
        for order in "<>":
            self.assertEqual(tiff_data.read_tiff(tiff(order)), (6, 8, 1, 1, 48))

    def test_tiles_count_with_what_lies_beyond_the_border(self):
        encoded = tiff(_278=None, _273=None, _279=None, _322=(16,), _323=(16,), _324=(8,), _325=(40,))
        self.assertEqual(tiff_data.read_tiff(encoded).decoded_pixels, 256)
        huge = tiff(_278=None, _273=None, _279=None, _322=(60_000,), _323=(60_000,), _324=(8,), _325=(40,))
        with self.assertRaisesRegex(ValueError, "^TIFF whose tiles have 3600000000 pixels, more than the"):
            image_headers.check_image(huge)

    def assert_refused(self, reason: str, **changes):
        with self.assertRaisesRegex(ValueError, reason):
            image_headers.check_image(tiff(**changes))

    def test_refuses_kinds_that_are_not_read(self):
        start = "^TIFF of a kind that is not decoded: "
        self.assert_refused(start + "compression 7, 1 channels of 8 bits", _259=(7,))
        self.assert_refused(start + "compression 1, 1 channels of 32 bits", _258=(32,))
        self.assert_refused(start + "compression 1, 5 channels", _277=(5,))
        self.assert_refused(start + ".*sample format 3$", _339=(3,))

    def test_refuses_contradictions(self):
        self.assert_refused("^broken TIFF: no usable tag 256$", _256=None)
        self.assert_refused("^broken TIFF: no usable tag 279$", _279=None)
        self.assert_refused("^broken TIFF: 8 x 0 pixels", _257=(0,))
        self.assert_refused("^broken TIFF: 8 x 6 pixels of 1 channels, in parts of 8 x 0$", _278=(0,))
        self.assert_refused("^broken TIFF: 2 parts of 2 sizes, for 6$", _278=(1,))
        self.assert_refused("^truncated TIFF: 10032 bytes wanted of", _279=(24, 10_000))

    def test_refuses_strips_that_share_their_bytes(self):
        self.assert_refused("^broken TIFF: its parts overlap$", _278=(1,), _273=(8,) * 6, _279=(48,) * 6)

    def test_refuses_a_tag_that_occurs_twice(self):
        encoded = tiff()
        twice = encoded.replace(struct.pack("<HHI", HEIGHT, 4, 1), struct.pack("<HHI", WIDTH, 4, 1))
        with self.assertRaisesRegex(ValueError, "^broken TIFF: tag 256 occurs twice$"):
            image_headers.check_image(twice)

    def test_refuses_values_beyond_the_file(self):
        encoded = tiff()
        place = encoded.index(struct.pack("<HHI", SIZES, 4, 2))
        for count in (3, 2**32 - 1):
            beyond = encoded[:place + 4] + struct.pack("<I", count) + encoded[place + 8:]
            with self.assertRaisesRegex(ValueError, "^truncated TIFF: tag 279 lies beyond"):
                image_headers.check_image(beyond)
        with self.assertRaisesRegex(ValueError, "^truncated header in 70 bytes$"):
            image_headers.check_image(encoded[:70])


class OrientationTest(unittest.TestCase):
    def test_goes_without_leaving_a_trace_elsewhere(self):
        for orientation in range(2, 9):
            encoded = photographs.oriented("TIFF", orientation)
            stored = tiff_data.as_stored(encoded)
            self.assertEqual(tiff_data.orientation_of(stored), 1)
            self.assertEqual(sum(one != other for one, other in zip(encoded, stored)), 1)
        upright = tiff()
        self.assertEqual(tiff_data.as_stored(upright), upright)


if __name__ == "__main__":
    unittest.main()
