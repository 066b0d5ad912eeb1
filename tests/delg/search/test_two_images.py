"""Two photos compared, as a function and as a command."""

import os
import pathlib
import tempfile
import unittest

import cv2
import numpy as np

from delg.exports.extraction_module import ExtractionModule
from delg.features import describing
from delg.search import two_images
from delg.settings.extraction import ExtractConfig
from delg.settings.search import SearchConfig
from tests.fixtures import photographs, scripts
from tests.fixtures.tiny_extraction import RECEPTIVE_FIELD, as_png, tiny_model

SHIFT_YX = (8, 12)  # pixels, two and three cells of the tiny model


def photos():
    """Two windows on one wall of coloured blocks, of 80 by 96 pixels; the second is shifted by SHIFT_YX."""
    blocks = np.random.default_rng(0).integers(40, 255, (40, 40, 3), dtype=np.uint8)
    wall = np.repeat(np.repeat(blocks, 4, axis=0), 4, axis=1)
    y, x = SHIFT_YX
    return as_png(wall[:80, :96]), as_png(wall[y:80 + y, x:96 + x])


class ImageMatchingTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        ExtractionModule(tiny_model(), RECEPTIVE_FIELD, attention_threshold=0.0).save(
            str(cls.folder / "saved_model"))
        cls.first, cls.second = photos()
        (cls.folder / "a.png").write_bytes(cls.first)
        (cls.folder / "b.png").write_bytes(cls.second)

    def match(self, **settings):
        describer = describing.ImageDescriber(str(self.folder / "saved_model"), ExtractConfig(
            global_scales=(1.0,), local_scales=(1.0,)))
        return two_images.match_images(describer, self.first, self.second, SearchConfig(
            **{"inlier_threshold": 5.0, **settings}))

    def test_finds_the_planted_shift(self):
        match = self.match(guided_neighbors=0)
        self.assertEqual(match.num_features, (20 * 24, 20 * 24))
        self.assertGreater(match.num_inliers, 100)
        self.assertGreaterEqual(match.num_matches, match.num_inliers)
        np.testing.assert_allclose(match.first_yx - match.second_yx,
                                   np.tile(SHIFT_YX, (match.num_inliers, 1)), atol=1)
        np.testing.assert_allclose(match.transform @ [40, 40, 1], [40 + SHIFT_YX[1], 40 + SHIFT_YX[0], 1],
                                   atol=1)
        self.assertTrue(0.9 < match.similarity <= 1)

    def test_the_recipe_of_the_paper_runs_too(self):
        self.assertGreater(self.match(verifier="paper").num_matches, 100)

    def test_draws_lines_and_the_frame(self):
        match = self.match()
        picture = two_images.draw_match(self.first, self.second, match)
        self.assertEqual(picture.shape, (80, 96 + 8 + 96, 3))
        for name in ("m.png", "deep/m.jpg"):
            two_images.write_picture(str(self.folder / name), picture)
            self.assertEqual(cv2.imread(str(self.folder / name)).shape, picture.shape)

    def test_refuses_another_kind_of_picture(self):
        with self.assertRaisesRegex(ValueError, "`output` must end in .png, .jpg, .jpeg.*'m.pdf'"):
            two_images.write_picture("m.pdf", np.zeros((2, 2, 3), np.uint8))

    def test_as_a_command_of_a_photo_stored_turned(self):
        stored = np.rot90(cv2.imdecode(np.frombuffer(self.second, np.uint8), cv2.IMREAD_COLOR)[..., ::-1])
        (self.folder / "turned.png").write_bytes(photographs.oriented("PNG", 6, stored))
        done = scripts.run("delg.match_images", self.folder / "a.png", self.folder / "turned.png",
                           saved_model=self.folder / "saved_model", output=self.folder / "out.png")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"\A\d{3} inliers, \d+ matches of \d+ and \d+ local features, "
                                      r"similarity [01]\.\d{3}; drawn in .*out.png\.\n")
        self.assertTrue(os.path.getsize(self.folder / "out.png"))


if __name__ == "__main__":
    unittest.main()
