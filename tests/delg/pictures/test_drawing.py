"""Tests of the report's drawing."""

import base64
import unittest

import cv2
import numpy as np

from delg.pictures import drawing


def _decoded(uri):
    encoded = base64.b64decode(uri.split(",", 1)[1])
    return cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


class DataUriTest(unittest.TestCase):
    def test_is_a_jpeg_of_the_same_colours(self):
        image = np.full((20, 30, 3), (200, 100, 50), np.uint8)
        uri = drawing.jpeg_data_uri(image)
        self.assertTrue(uri.startswith("data:image/jpeg;base64,/9j/"))
        np.testing.assert_allclose(_decoded(uri), image, atol=4)

    def test_encodes_within_a_budget(self):
        noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
        free = sum(map(len, drawing.encode_within([noise, noise], 10**9)))
        limit = free // 4
        uris = drawing.encode_within([noise, noise], limit)
        self.assertEqual(len(uris), 2)
        self.assertLessEqual(sum(map(len, uris)), limit)
        self.assertLess(_decoded(uris[0]).shape[0], 200)


class FitTest(unittest.TestCase):
    def test_shrinks_to_the_tighter_side_and_never_enlarges(self):
        picture, scale = drawing.fit(np.zeros((100, 400, 3), np.uint8), 50, 100)
        self.assertEqual((picture.shape, scale), ((25, 100, 3), 0.25))
        picture, scale = drawing.fit(np.zeros((10, 20, 3), np.uint8), 50, 100)
        self.assertEqual((picture.shape, scale), ((10, 20, 3), 1.0))


class QueryBoxTest(unittest.TestCase):
    def test_dims_the_outside_and_keeps_the_inside(self):
        image = np.full((100, 100, 3), 100, np.uint8)
        drawn = drawing.draw_query_box(image, np.array([30, 30, 70, 70]), 100, 100)
        self.assertEqual(drawn[50, 50].tolist(), [100, 100, 100])
        self.assertEqual(drawn[5, 5].tolist(), [50, 50, 50])
        self.assertEqual(drawn[30, 50].tolist(), [255, 196, 0])

    def test_boxes_past_the_edge_are_drawn_at_it(self):
        image = np.full((40, 40, 3), 100, np.uint8)
        drawn = drawing.draw_query_box(image, np.array([-9, 10, 99, 30]), 40, 40)
        self.assertEqual(drawn[20, 20].tolist(), [100, 100, 100])

    def test_without_a_box_the_picture_is_the_image(self):
        image = np.full((40, 40, 3), 100, np.uint8)
        np.testing.assert_array_equal(drawing.draw_query_box(image, None, 40, 40), image)


class DrawMatchesTest(unittest.TestCase):
    def setUp(self):
        self.query = np.full((100, 80, 3), 60, np.uint8)
        self.hit = np.full((200, 160, 3), 60, np.uint8)

    def test_both_halves_have_one_height(self):
        drawn = drawing.draw_matches(self.query, self.hit, np.zeros((0, 2)), np.zeros((0, 2)),
                                             max_height=50, max_half_width=100)
        self.assertEqual(drawn.shape, (50, 40 + 8 + 40, 3))
        np.testing.assert_array_equal(drawn[:, :40], 60)

    def test_a_point_is_drawn_at_both_ends(self):
        drawn = drawing.draw_matches(self.query, self.hit, np.array([[50., 40.]]),
                                             np.array([[100., 80.]]), max_height=100, max_half_width=100)
        for x in (40, 80 + 8 + 40):
            self.assertGreater(np.ptp(drawn[50, x].astype(int)), 50)  # coloured, where all else is grey
        np.testing.assert_array_equal(drawn[20, :80], 60)

    def test_wide_images_set_the_height(self):
        wide = np.zeros((100, 1000, 3), np.uint8)
        drawn = drawing.draw_matches(wide, self.hit, np.zeros((0, 2)), np.zeros((0, 2)),
                                             max_height=400, max_half_width=600)
        self.assertEqual(drawn.shape[0], 60)

    def test_far_outlines_and_points_do_no_harm(self):
        outline = np.array([[-1e12, 0], [1e12, 0], [1e12, 9e15], [0, 9e15]])
        drawn = drawing.draw_matches(self.query, self.hit, np.array([[1e12, -1e12]]),
                                             np.array([[5., 5.]]), hit_outline=outline)
        self.assertEqual(drawn.dtype, np.uint8)


class HeatTest(unittest.TestCase):
    def test_cells_come_back_at_their_centres_whatever_their_order(self):
        centres = np.array([[8, 24], [24, 8], [8, 8], [24, 24]], float)
        heat = drawing.heat_of_cells(centres, np.array([2., 3., 1., 4.]), 32, 32)
        self.assertEqual(heat.shape, (32, 32))
        for (y, x), score in zip(centres.astype(int), (2, 3, 1, 4)):
            self.assertAlmostEqual(heat[y, x], score, places=5)
        self.assertAlmostEqual(heat[16, 16], 2.5, places=5)  # halfway between all four

    def test_no_cells_no_heat(self):
        np.testing.assert_array_equal(drawing.heat_of_cells(np.zeros((0, 2)), np.zeros(0), 4, 5),
                                      np.zeros((4, 5)))

    def test_keypoints_glow_where_they_are(self):
        heat = drawing.heat_of_keypoints(np.array([[100., 500.]]), np.array([2.]), 400, 600)
        self.assertEqual(heat.shape, (400, 600))
        y, x = np.unravel_index(heat.argmax(), heat.shape)
        self.assertLess(abs(y - 100) + abs(x - 500), 8)
        self.assertLess(heat[300, 100], 1e-6)

    def test_overlay_is_bright_where_hot(self):
        heat = np.zeros((40, 60), np.float32)
        heat[:, 30:] = 1
        drawn = drawing.overlay_heat(np.full((40, 60, 3), 128, np.uint8), heat, 40, 60)
        self.assertEqual(drawn.shape, (40, 60, 3))
        self.assertGreater(drawn[20, 50].sum(), drawn[20, 10].sum() + 200)

    def test_overlay_of_even_heat_is_finite(self):
        drawn = drawing.overlay_heat(np.full((8, 8, 3), 9, np.uint8), np.ones((8, 8)), 8, 8)
        self.assertEqual(drawn.shape, (8, 8, 3))


class BlankTest(unittest.TestCase):
    def test_is_light_with_a_cross(self):
        picture = drawing.blank(40, 40)
        self.assertLess(picture[20, 20, 0], picture[20, 2, 0])


class AttentionOverlayTest(unittest.TestCase):
    def test_heat_lies_where_the_cell_looks(self):
        scores = np.zeros([4, 4], np.float32)
        scores[1, 2] = 5.0
        overlay = drawing.attention_overlay(np.zeros([64, 64, 3], np.uint8), scores, (3, 16, 1))
        row, column = np.unravel_index(overlay.sum(axis=2).argmax(), (64, 64))
        self.assertEqual((row, column), (16, 32))
        shifted = drawing.attention_overlay(np.zeros([64, 64, 3], np.uint8), scores, (3, 16, -4))
        row, column = np.unravel_index(shifted.sum(axis=2).argmax(), (64, 64))
        self.assertEqual((row, column), (21, 37))  # padding -4: centres 5 pixels further

    def test_scores_of_zero_give_no_nan(self):
        image = np.full([8, 8, 3], 100, np.uint8)
        overlay = drawing.attention_overlay(image, np.zeros([2, 2]), (1, 4, 0))
        self.assertEqual(overlay.shape, image.shape)
        self.assertTrue((overlay >= 40).all())  # 0.4 of the picture shows through


if __name__ == "__main__":
    unittest.main()
