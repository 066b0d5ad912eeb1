"""Tests of vae.report.drawings, and of the lines of delg.pictures.charts."""

import unittest

import numpy as np

from delg.pictures import charts
from delg.vectors.unit import unit_vectors
from tests.fixtures.fake_encoder import FakeEncoder
from vae.data.photographs import Photographs
from vae.report import drawings


def _photographs(pairs):
    images = np.zeros((6, 16, 16, 3), np.uint8)
    images[...] = (np.arange(6) * 40)[:, None, None, None]
    return Photographs([f"image{row}" for row in range(6)], images, np.array([0, 1, 0, 1, 0, 1], bool),
                       np.array([2, 2, 0, 0, 1, 1]), pairs)


class GridTest(unittest.TestCase):
    def test_images_stand_in_rows_with_gaps(self):
        images = [np.full((8, 8, 3), value, np.uint8) for value in (10, 20, 30, 40)]
        picture = drawings.grid([images[:2], images[2:]])
        self.assertEqual(picture.shape, (260, 260, 3))
        self.assertEqual([int(picture[y, x, 0]) for y in (64, 200) for x in (64, 200)], [10, 20, 30, 40])
        self.assertEqual(int(picture[130, 130, 0]), 128)

    def test_columns_have_the_true_view_where_pairs_are_known(self):
        known, unknown = _photographs(list("aabbcc")), _photographs([""] * 6)
        picture, columns = drawings.translation_grid(FakeEncoder(), known, "night", np.array([1, 3]))
        self.assertEqual(columns, ["original", "reconstruction", "cycle", "translation", "true view"])
        self.assertEqual(int(picture[64, 4 * 132 + 64, 0]), 0)  # image 0 is the day of image 1
        self.assertEqual(int(picture[64, 64, 0]), 40)
        _, columns = drawings.translation_grid(FakeEncoder(), unknown, "night", np.array([1]))
        self.assertEqual(columns[-1], "translation")

    def test_chosen_rows_are_of_the_domain_and_in_the_order_of_places(self):
        photographs = _photographs(list("aabbcc"))
        self.assertEqual(drawings.choose_rows(photographs, "night", 9).tolist(), [3, 5, 1])
        self.assertEqual(drawings.choose_rows(photographs, "day", 2).tolist(), [2, 0])


class ChannelMapTest(unittest.TestCase):
    def test_the_heaviest_channel_is_the_brightest_and_missing_cells_are_grey(self):
        weights = np.linspace(0, 1, 40)
        picture = drawings.channel_map(weights)
        self.assertEqual(picture.shape, (2 * 24, 32 * 24, 3))
        brightness = picture[12::24, 12::24].sum(axis=-1).ravel()[:40]
        self.assertEqual(int(brightness.argmax()), 39)
        self.assertEqual(picture[36, 32 * 24 - 1].tolist(), [128, 128, 128])


class NeighboursTest(unittest.TestCase):
    def test_hits_are_of_the_other_domain_the_nearest_first(self):
        def describer(images, domain):
            angles = images[:, 0, 0, 0] / 300
            return unit_vectors(np.stack([np.cos(angles), np.sin(angles)], axis=1))

        found = drawings.neighbours(describer, _photographs([""] * 6), np.array([1]), "night", 2)
        self.assertEqual(found[0]["id"], "image1")
        self.assertEqual([(hit["id"], hit["rank"], hit["right"]) for hit in found[0]["hits"]],
                         [("image0", 1, True), ("image2", 2, False)])


class LinesSvgTest(unittest.TestCase):
    def test_lines_have_names_and_colours_of_the_page(self):
        x = np.arange(3)
        svg = charts.panels_svg("layers", {"": [
            charts.Line("1 layer", x, x + 0.5), charts.Line("3", x, x * 2)]}, "Epoch", "Loss")
        for words in ("1 layer", "Epoch", "Loss over Epoch. 1 layer: 2.5 at the end; 3: 4 at the end.",
                      "var(--accent)", "var(--gold)"):
            self.assertIn(words, svg)


if __name__ == "__main__":
    unittest.main()
