"""Batches are halved until they fit into memory, and stay so."""

import threading
import unittest
from unittest import mock

import tensorflow as tf

from delg.features.batch_pixels import BatchPixels


def fits(most: int):
    """A model that takes so many images at a time, and a list of the batches it was given."""
    given = []

    def compute(images):
        given.append(len(images))
        if len(images) > most:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
        return [image * 10 for image in images]

    return compute, given


class BatchPixelsTest(unittest.TestCase):
    def test_what_fits_is_computed_together(self):
        compute, given = fits(8)
        self.assertEqual(BatchPixels().computed(compute, [1, 2, 3], 1e6), [10, 20, 30])
        self.assertEqual(given, [3])

    def test_halved_until_it_fits_in_the_order_of_the_images(self):
        compute, given = fits(2)
        pixels = BatchPixels(int(16e6))
        with self.assertLogs(level="WARNING") as said:
            self.assertEqual(pixels.computed(compute, list(range(7)), 1e6),
                             [0, 10, 20, 30, 40, 50, 60])
        self.assertEqual(given, [7, 3, 1, 2, 4, 2, 2])
        self.assertEqual(pixels.most, 1e6)  # half of three is one
        self.assertIn("7 images of 1.0 megapixels do not fit into memory; from now on at most 3",
                      said.output[0])

    def test_the_next_batches_are_as_large_as_fitted(self):
        compute, _ = fits(4)
        pixels = BatchPixels(int(64e6))
        with self.assertLogs(level="WARNING"):
            pixels.computed(compute, list(range(8)), 4e6)
        self.assertEqual(pixels.most, 16e6)

    def test_a_single_image_that_does_not_fit_is_an_error(self):
        compute, _ = fits(0)
        with self.assertLogs(level="WARNING"), self.assertRaises(tf.errors.ResourceExhaustedError):
            BatchPixels().computed(compute, [1, 2], 1e6)

    def test_other_errors_pass(self):
        with self.assertRaises(KeyError):
            BatchPixels().computed(mock.Mock(side_effect=KeyError), [1, 2], 1e6)

    def test_several_threads_at_a_time(self):
        compute, _ = fits(2)
        pixels, found = BatchPixels(), {}
        threads = [threading.Thread(target=lambda first=first: found.update(
            {first: pixels.computed(compute, [first, first + 1, first + 2], 1e6)})) for first in range(8)]
        with self.assertLogs(level="WARNING"):
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        self.assertEqual(found, {first: [10 * first, 10 * first + 10, 10 * first + 20]
                                 for first in range(8)})

    def test_more_on_accelerators(self):
        on_processor = BatchPixels().most
        with mock.patch.object(tf.config, "list_physical_devices", return_value=["GPU:0"]):
            self.assertGreater(BatchPixels().most, 10 * on_processor)
            self.assertEqual(BatchPixels(5).most, 5)


if __name__ == "__main__":
    unittest.main()
