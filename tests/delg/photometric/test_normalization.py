"""Promises that every photometric normalisation keeps."""

import os
import tempfile
import unittest

import numpy as np

from delg.settings.extraction import ExtractConfig
from delg.settings.kinds import PHOTOMETRICS
from tests.fixtures import tiny_translator


class PhotometricTest(unittest.TestCase):
    def test_size_and_type_stay_and_the_same_comes_of_the_same(self):
        with tempfile.TemporaryDirectory() as folder:
            tiny_translator.save(os.path.join(folder, "t"))
            for name in PHOTOMETRICS:
                normalization = PHOTOMETRICS[name](ExtractConfig(
                    photometric=name, translator=os.path.join(folder, "t") if name == "translate" else ""))
                for shape in ((37, 50), (5, 3), (1, 1), (64, 64)):
                    with self.subTest(name=name, shape=shape):
                        image = np.random.default_rng(0).integers(0, 255, (*shape, 3), dtype=np.uint8)
                        before = image.copy()
                        first, second = normalization.apply(image), normalization.apply(image)
                        self.assertEqual((first.shape, first.dtype), (image.shape, np.uint8))
                        np.testing.assert_array_equal(first, second)
                        np.testing.assert_array_equal(image, before)


if __name__ == "__main__":
    unittest.main()
