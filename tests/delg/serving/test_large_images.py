"""Large images are decoded one at a time, others at once."""

import contextlib
import threading
import unittest
from unittest import mock

from delg.features.preparing import BadImageError
from delg.serving import large_images
from tests.fixtures import photographs


class DecodingTest(unittest.TestCase):
    def most_at_once(self, large_pixels: int) -> int:
        """Of two threads that decode an image of 64 x 48 pixels."""
        inside, most, together = [0], [0], threading.Barrier(2)

        def decode() -> None:
            with large_images.decoding(photographs.jpeg(), 10_000) as header:
                self.assertEqual((header.height, header.width), (48, 64))
                inside[0] += 1
                with contextlib.suppress(threading.BrokenBarrierError):
                    together.wait(0.5)
                most[0] = max(most[0], inside[0])
                inside[0] -= 1

        with mock.patch.object(large_images, "_LARGE_PIXELS", large_pixels):
            threads = [threading.Thread(target=decode) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        return most[0]

    def test_large_ones_wait_for_each_other(self):
        self.assertEqual(self.most_at_once(48 * 64), 2)
        with mock.patch.object(large_images.allocator, "give_back_freed_memory") as given_back:
            self.assertEqual(self.most_at_once(48 * 64 - 1), 1)
        self.assertEqual(given_back.call_count, 2)

    def test_what_cannot_be_used_is_refused_before(self):
        with self.assertRaisesRegex(BadImageError, "64 x 48 pixels, more than the limit of 100"), \
                large_images.decoding(photographs.jpeg(), 100):
            self.fail("must not be decoded")


if __name__ == "__main__":
    unittest.main()
