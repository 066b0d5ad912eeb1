"""Promises that every photometric normalisation keeps, and the one of docs/extending/photometric.md."""

import os
import pathlib
import re
import tempfile
import unittest
from unittest import mock

import numpy as np

from delg.exports.extraction_module import ExtractionModule
from delg.features.describing import ImageDescriber
from delg.settings.extraction import ExtractConfig
from delg.settings.kinds import PHOTOMETRICS
from tests.fixtures import tiny_extraction, tiny_translator

_ROOT = pathlib.Path(__file__).parents[3]
_MADE_UP = {"gamma": "tests.fixtures.made_up_photometric:gamma"}


class PhotometricTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        tiny_translator.save(os.path.join(cls.folder, "translator"))
        patch = mock.patch.dict(PHOTOMETRICS.places, _MADE_UP)
        patch.start()
        cls.addClassCleanup(patch.stop)

    def test_size_and_type_stay_and_the_same_comes_of_the_same(self):
        for name in PHOTOMETRICS:
            normalization = PHOTOMETRICS[name](ExtractConfig(
                photometric=name, translator=f"{self.folder}/translator" if name == "translate" else ""))
            for shape in ((37, 50), (5, 3), (1, 1), (64, 64)):
                with self.subTest(name=name, shape=shape):
                    image = np.random.default_rng(0).integers(0, 255, (*shape, 3), dtype=np.uint8)
                    before = image.copy()
                    first, second = normalization.apply(image), normalization.apply(image)
                    self.assertEqual((first.shape, first.dtype), (image.shape, np.uint8))
                    np.testing.assert_array_equal(first, second)
                    np.testing.assert_array_equal(image, before)

    def test_one_that_is_made_up_describes_images(self):
        model = os.path.join(self.folder, "model")
        ExtractionModule(tiny_extraction.tiny_model(), tiny_extraction.RECEPTIVE_FIELD,
                         attention_threshold=50.0).save(model)
        describer = ImageDescriber(model, ExtractConfig(photometric="gamma", global_scales=(1.0,),
                                                        local_scales=(1.0,)))
        image = tiny_extraction.block_image(40, 40, (8, 16), (12, 16), (64, 0, 0))
        self.assertEqual(describer.describe(image).local.scores.tolist(), [128, 128])  # 255 sqrt(64 / 255)
        self.assertEqual(describer.settings["photometric"], "gamma")

    def test_the_page_shows_it(self):
        page = (_ROOT / "docs/extending/photometric.md").read_text(encoding="utf-8")
        shown, line = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
        code = (_ROOT / "tests/fixtures/made_up_photometric.py").read_text(encoding="utf-8")
        self.assertIn(shown, code)
        self.assertEqual(line.strip(), '"gamma": "delg.photometric.gamma:gamma",')


if __name__ == "__main__":
    unittest.main()
