"""Views of an image from elsewhere, simulated: what it shows is taken for a wall, and the wall is turned.

A network that is not told otherwise finds a facade seen from its side, or from below, little like the same
facade seen from the front. A query described from several sides is like more of its photographs, and the
index stays as it is. A view is named by its image and its number: IMAGE@3.
Source: Morel and Yu, "ASIFT: A New Framework for Fully Affine Invariant Image Comparison", SIAM Journal on
Imaging Sciences 2009, which simulates views of both images; here of queries alone, and in perspective.
"""

from __future__ import annotations

import cv2
import numpy as np

from delg.features.preparing import PreparedImage

# Yaw and pitch, degrees: from both sides, from below, from below on both sides; chosen.
ANGLES = ((50, 0), (-50, 0), (0, -35), (45, -30), (-45, -30))
_DISTANCE = 1.2  # of the camera from the wall, over the longer side of the image; chosen
_BORDER = (127, 127, 127)  # what lies beyond the wall; chosen


def views_of(prepared: PreparedImage) -> list[PreparedImage]:
    """The views of an image from all ANGLES, ready for the model."""
    views = []
    height, width = prepared.image.shape[:2]
    for yaw, pitch in ANGLES:
        turn, (new_height, new_width) = turn_of(height, width, yaw, pitch)
        pixels = cv2.warpPerspective(prepared.image, turn, (new_width, new_height), flags=cv2.INTER_LINEAR,
                                     borderMode=cv2.BORDER_CONSTANT, borderValue=_BORDER)
        views.append(prepared._replace(image=pixels, turn=turn, unturned_size=(height, width)))
    return views


def turn_of(height: int, width: int, yaw: float, pitch: float) -> tuple[np.ndarray, tuple[int, int]]:
    """The transform that turns an image about its centre, and the size of what comes out.

    Args:
        height, width: of the image, pixels.
        yaw: about the vertical axis, degrees; above 0: what is on the right comes nearer.
        pitch: about the horizontal axis; above 0: what is at the bottom goes away.

    Returns:
        float64, [3, 3], from pixels (x, y, 1) of the image to those of the view, whose least is 0.
        Height and width of the view, pixels.
    """
    side = max(height, width)
    across, down = np.radians(yaw), np.radians(pitch)
    axes = np.array([[np.cos(across), 0],
                     [np.sin(down) * np.sin(across), np.cos(down)],
                     [-np.cos(down) * np.sin(across), np.sin(down)]])  # of the wall, as the camera has them
    to_camera = np.column_stack([axes, [0, 0, _DISTANCE]])
    to_wall = np.array([[1 / side, 0, -width / 2 / side], [0, 1 / side, -height / 2 / side], [0, 0, 1]])
    turn = np.diag([_DISTANCE * side, _DISTANCE * side, 1]) @ to_camera @ to_wall
    corners = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]]) @ turn.T
    corners = corners[:, :2] / corners[:, 2:]
    least = corners.min(axis=0)
    new_width, new_height = np.ceil(np.round(corners.max(axis=0) - least, 6)).astype(int)
    to_view = np.array([[1, 0, -least[0]], [0, 1, -least[1]], [0, 0, 1]])
    return to_view @ turn, (int(new_height), int(new_width))


def turned_back(points_xy: np.ndarray, prepared: PreparedImage) -> tuple[np.ndarray, np.ndarray]:
    """Points of a view as points of its image, float64 [n, 2], and whether they lie in it, bool [n]."""
    back = np.column_stack([points_xy, np.ones(len(points_xy))]) @ np.linalg.inv(prepared.turn).T
    back = back[:, :2] / back[:, 2:]
    height, width = prepared.unturned_size
    return back, np.all((back >= 0) & (back <= (width, height)), axis=1)


def view_id(image_id: str, number: int) -> str:
    """The id of a view of an image."""
    return f"{image_id}@{number}"


def image_of(view: str) -> str:
    """The image of a view, by their ids; an id that is no view's is returned as it is."""
    image_id, mark, number = view.rpartition("@")
    return image_id if mark and number.isdecimal() else view
