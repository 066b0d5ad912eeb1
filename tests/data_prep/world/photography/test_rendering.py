"""Tests of data_prep.world.photography.rendering."""

import unittest

import numpy as np

from data_prep.world.architecture.buildings import face, make_panel
from data_prep.world.photography import camera as cameras
from data_prep.world.photography import light as lights
from data_prep.world.photography.canvas import Canvas
from data_prep.world.photography.rendering import Frame


def _wall(colour, x=-10.0, z=0.0, width=20.0, height=16.0, spot=None, hole=None, role="front"):
    canvas = Canvas(width, height, 20)
    canvas.rectangle(0, 0, width, height, colour)
    if spot:
        canvas.disc(*spot, 0.8, (255, 255, 255))
    if hole:
        canvas.rectangle(*hole, opaque=False)
    return make_panel("wall", role, (x, 0, z), (1, 0, 0), (0, 1, 0), canvas.texture())


def _frame(position=(8, 2, -22), target=(0, 7, 0)):
    light = lights.draw_light(np.random.default_rng(3), "day")
    light = lights.Light(**{**light.__dict__, "sun_colour": (0, 0, 0), "ambient": (1, 1, 1), "haze": 0.0})
    camera = cameras.look_at(position, target, 260.0, 320, 240, roll=0.03)
    return Frame(camera, light, np.zeros((240, 320, 3), np.float32))


class PaintTest(unittest.TestCase):
    def test_a_spot_lands_where_the_homography_says(self):
        for position in ((8, 2, -22), (-30, 1.6, -16), (2, 9, -60)):  # oblique, very oblique, far
            for spot in ((5.0, 4.0), (13.5, 11.0)):
                frame = _frame(position)
                wall = _wall((40, 40, 40), spot=spot)
                frame.paint(wall, 1)
                rows, columns = np.nonzero(frame.colour[..., 1] > 130)
                matrix = cameras.plane_homography(frame.camera, wall.origin, wall.right, wall.up)
                x, y, w = matrix @ (*spot, 1.0)
                self.assertAlmostEqual(columns.mean(), x / w, delta=0.6)
                self.assertAlmostEqual(rows.mean(), y / w, delta=0.6)

    def test_the_nearer_surface_is_seen_whatever_the_order(self):
        near, far = _wall((200, 0, 0), z=-6.0), _wall((0, 200, 0), z=0.0)
        for order in ((near, far), (far, near)):
            frame = _frame((0, 8, -22), (0, 8, 0))
            for panel in order:
                frame.paint(panel, 1 if panel is near else 2)
            self.assertEqual(frame.owner[120, 160], 1)
            self.assertGreater(frame.colour[120, 160, 0], 100)
            self.assertLess(frame.colour[120, 160, 1], 20)

    def test_one_sees_through_a_hole(self):
        frame = _frame((0, 8, -22), (0, 8, 0))
        frame.paint(_wall((0, 200, 0)), 2)
        frame.paint(_wall((200, 0, 0), z=-6.0, hole=(8.0, 6.0, 12.0, 10.0)), 1)
        self.assertEqual(frame.owner[120, 160], 2)
        self.assertEqual(frame.owner[120, 100], 1)

    def test_a_wall_through_the_camera_plane_is_cut(self):
        canvas = Canvas(40, 6, 10)
        canvas.rectangle(0, 0, 40, 6, (200, 200, 200))
        side = make_panel("side", "side", (-4, 0, 20), (0, 0, -1), (0, 1, 0), canvas.texture())
        frame = _frame((0, 2, 0), (0, 2, 10))
        frame.paint(make_panel("side", "side", (-4, 0, 20), (0, 0, -1), (0, 1, 0), side.texture), 1)
        self.assertEqual(frame.owner[120, 0], 1)  # left of the way, up to the frame's edge
        self.assertFalse((frame.owner[:, 165:] == 1).any())  # no ghost of what lies behind the camera

    def test_a_billboard_faces_the_camera(self):
        tree = _wall((0, 200, 0), x=0.0, width=4.0, height=6.0, role="billboard")
        turned = face(tree, (10.0, 2.0, 0.0))
        np.testing.assert_allclose(turned.normal, (1, 0, 0), atol=1e-12)
        np.testing.assert_allclose(turned.point(2.0, 0.0), (0, 0, 0), atol=1e-12)


if __name__ == "__main__":
    unittest.main()
