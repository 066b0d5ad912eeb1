"""Images of many threads described together."""

import threading
import unittest

import numpy as np

from delg.features.preparing import PreparedImage
from delg.serving.batches import BatchedDescriber


def image(size: int) -> PreparedImage:
    return PreparedImage(np.full((size, size, 3), size, np.uint8), np.ones(2), np.zeros(2), 1.0, (size, size))


class Model:
    """Describes an image by its size; the first call waits until it is let go."""

    def __init__(self):
        self.batches, self.begun, self.go_on = [], threading.Event(), threading.Event()

    def images_at_once(self, _):
        return 2

    def describe_prepared(self, images):
        self.begun.set()
        self.go_on.wait(10)
        self.batches.append([one.image_size[0] for one in images])
        if images[0].image_size == (13, 13):
            raise ValueError("thirteen")
        return self.batches[-1]


class BatchedDescriberTest(unittest.TestCase):
    def test_what_waits_goes_together_by_size_and_no_more_than_fits(self):
        model = Model()
        describer = BatchedDescriber(model)
        first = describer.describe(image(1))
        self.assertTrue(model.begun.wait(10))
        others = [describer.describe(image(size)) for size in (2, 3, 2, 13, 2)]
        given_up = describer.describe(image(3))
        given_up.cancel()
        model.go_on.set()
        describer.close()
        self.assertEqual(model.batches, [[1], [2, 2], [2], [3], [13]])
        self.assertEqual([future.result() for future in (first, *others[:3], others[4])], [1, 2, 3, 2, 2])
        with self.assertRaisesRegex(ValueError, "thirteen"):
            others[3].result()


if __name__ == "__main__":
    unittest.main()
