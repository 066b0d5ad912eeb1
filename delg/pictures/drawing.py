"""Pictures on photographs: thumbnails, query boxes, drawn matches and attention, as data URIs.

Images are uint8, [height, width, 3], RGB. Points are float, [n, 2], pixels as (y, x).
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import cv2
import numpy as np

from data_prep.stage.lazy_module import LazyModule

if TYPE_CHECKING:
    from data_prep.records.pipeline import Example

tf = LazyModule("tensorflow")
augment = LazyModule("data_prep.images.augment")

_BOX_COLOUR = (255, 196, 0)  # RGB, seen on sky, stone and night alike
_MATCH_COLOURS = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_TURBO)[:, 0, ::-1]
_GAP = 8  # pixels between the two halves of a match picture
_ENCODING_STEPS = ((82, 1.0), (70, 0.9), (60, 0.75), (55, 0.55), (50, 0.4), (40, 0.25))  # quality, size
_SUBPIXEL_BITS = 4  # OpenCV takes points in 1/16 pixel


def encode_jpeg(image: np.ndarray, quality: int = 80) -> bytes:
    """The image as a JPEG file; `quality` in 1..100."""
    done, encoded = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR),
                                 [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1])
    assert done, "OpenCV encodes any uint8 RGB image as JPEG"
    return encoded.tobytes()


def data_uri(jpeg: bytes) -> str:
    """A JPEG file as `data:image/jpeg;base64,...`."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")


def jpeg_data_uri(image: np.ndarray, quality: int = 80) -> str:
    """The image as `data:image/jpeg;base64,...`; `quality` in 1..100."""
    return data_uri(encode_jpeg(image, quality))


def fit(image: np.ndarray, max_height: int, max_width: int) -> tuple[np.ndarray, float]:
    """The image shrunk to fit, never enlarged, and new size / old size."""
    height, width = image.shape[:2]
    scale = min(1.0, max_height / height, max_width / width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return (cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scale < 1 else image.copy()), scale


def blank(height: int, width: int) -> np.ndarray:
    """What stands for an image that could not be found or decoded: a light square with a grey cross."""
    image = np.full((height, width, 3), 232, np.uint8)
    for start, end in (((0, 0), (width, height)), ((0, height), (width, 0))):
        cv2.line(image, start, end, (196, 196, 196), 2, cv2.LINE_AA)
    return image


def draw_query_box(image: np.ndarray, box: np.ndarray | None, max_height: int, max_width: int) -> np.ndarray:
    """The query, shrunk to fit, with its box framed and what lies outside of it dimmed.

    Args:
        image: uint8, [height, width, 3].
        box: x1, y1, x2, y2 in pixels of `image`, or None for none.
        max_height, max_width: of the result, pixels.
    """
    picture, scale = fit(image, max_height, max_width)
    if box is None:
        return picture
    height, width = picture.shape[:2]
    x1, y1, x2, y2 = (int(round(float(value) * scale)) for value in box)
    x1, x2 = sorted((int(np.clip(x1, 0, width - 1)), int(np.clip(x2, 0, width - 1))))
    y1, y2 = sorted((int(np.clip(y1, 0, height - 1)), int(np.clip(y2, 0, height - 1))))
    dimmed = (picture * 0.5).astype(np.uint8)
    dimmed[y1:y2 + 1, x1:x2 + 1] = picture[y1:y2 + 1, x1:x2 + 1]
    thickness = max(2, round(max(height, width) / 140))
    cv2.rectangle(dimmed, (x1, y1), (x2, y2), (20, 20, 20), thickness + 2, cv2.LINE_AA)
    cv2.rectangle(dimmed, (x1, y1), (x2, y2), _BOX_COLOUR, thickness, cv2.LINE_AA)
    return dimmed


def _subpixel(points_xy: np.ndarray) -> np.ndarray:
    limit = 2**31 // 2 ** (_SUBPIXEL_BITS + 2)  # OpenCV keeps points in 32 bits
    return np.round(np.clip(points_xy, -limit, limit) * 2**_SUBPIXEL_BITS).astype(np.int32)


def draw_matches(query_image: np.ndarray, hit_image: np.ndarray, query_yx: np.ndarray, hit_yx: np.ndarray,
                 query_box: np.ndarray | None = None, hit_outline: np.ndarray | None = None,
                 max_height: int = 400, max_half_width: int = 600) -> np.ndarray:
    """Query and hit side by side at one height, each pair of points joined by a line of its own colour.

    Colours run from the left of the query to its right, so that crossing lines stand out.

    Args:
        query_image, hit_image: uint8, [height, width, 3].
        query_yx, hit_yx: float, [k, 2], pixels of the two images; k may be 0.
        query_box: x1, y1, x2, y2, pixels of the query, framed if given.
        hit_outline: float, [n, 2], (x, y) pixels of the hit, drawn if given.
        max_height, max_half_width: pixels.

    Returns:
        uint8, [h, w, 3].
    """
    height = int(min(max_height, *(max_half_width * image.shape[0] / image.shape[1]
                                   for image in (query_image, hit_image))))
    query, query_scale = _at_height(query_image, max(height, 1))
    hit, hit_scale = _at_height(hit_image, max(height, 1))
    hit_left = query.shape[1] + _GAP
    canvas = np.full((max(height, 1), hit_left + hit.shape[1], 3), 128, np.uint8)
    canvas[:, :query.shape[1]], canvas[:, hit_left:] = query, hit
    if query_box is not None:
        x1, y1, x2, y2 = np.asarray(query_box, np.float64) * query_scale
        draw_outline(canvas[:, :query.shape[1]], np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]]))
    if hit_outline is not None:
        draw_outline(canvas[:, hit_left:], np.asarray(hit_outline) * hit_scale)
    starts = _subpixel(query_yx[:, ::-1] * query_scale)
    ends = _subpixel(hit_yx[:, ::-1] * hit_scale + (hit_left, 0))
    order = np.argsort(starts[:, 0], kind="stable")
    colours = _MATCH_COLOURS[np.linspace(20, 235, max(len(order), 1)).astype(int)].tolist()
    lines = canvas.copy()
    for row, colour in zip(order, colours):
        cv2.line(lines, starts[row].tolist(), ends[row].tolist(), colour, 1, cv2.LINE_AA, _SUBPIXEL_BITS)
    opacity = 0.8 if len(order) <= 60 else 0.55
    canvas = cv2.addWeighted(lines, opacity, canvas, 1 - opacity, 0)
    radius = 3 if len(order) <= 60 else 2
    for row, colour in zip(order, colours):
        for point in (starts[row].tolist(), ends[row].tolist()):
            for size, shade in ((radius + 1, (20, 20, 20)), (radius, colour)):
                cv2.circle(canvas, point, size << _SUBPIXEL_BITS, shade, -1, cv2.LINE_AA, _SUBPIXEL_BITS)
    return canvas


def _at_height(image: np.ndarray, height: int) -> tuple[np.ndarray, float]:
    scale = height / image.shape[0]
    size = (max(1, round(image.shape[1] * scale)), height)
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC), scale


def draw_outline(half: np.ndarray, corners_xy: np.ndarray) -> None:
    """Draws a closed line through float [n, 2] (x, y) pixels on a uint8 picture, which is changed."""
    half_copy = np.ascontiguousarray(half)
    points = [_subpixel(corners_xy)[:, None]]
    cv2.polylines(half_copy, points, True, (20, 20, 20), 4, cv2.LINE_AA, _SUBPIXEL_BITS)
    cv2.polylines(half_copy, points, True, _BOX_COLOUR, 2, cv2.LINE_AA, _SUBPIXEL_BITS)
    half[:] = half_copy


def heat_of_cells(centres_yx: np.ndarray, scores: np.ndarray, height: int, width: int) -> np.ndarray:
    """Attention as a map over the image, from the score of each cell of a regular grid.

    Args:
        centres_yx: float, [n, 2], centres of the receptive fields, any order; cells may be missing.
        scores: float, [n].
        height, width: of the image, pixels.

    Returns:
        float32, [height, width]; cells left out count as 0.
    """
    heat = np.zeros((height, width), np.float32)
    if len(scores) == 0:
        return heat
    rows, row_of = np.unique(np.round(centres_yx[:, 0], 2), return_inverse=True)
    columns, column_of = np.unique(np.round(centres_yx[:, 1], 2), return_inverse=True)
    cells = np.zeros((len(rows), len(columns)), np.float32)
    cells[row_of, column_of] = scores
    at_y = np.interp(np.arange(height), rows, np.arange(len(rows))).astype(np.float32)
    at_x = np.interp(np.arange(width), columns, np.arange(len(columns))).astype(np.float32)
    return cv2.remap(cells, *np.meshgrid(at_x, at_y), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def heat_of_keypoints(keypoints_yx: np.ndarray, scores: np.ndarray, height: int, width: int) -> np.ndarray:
    """Attention as a map over the image, from the scores of the keypoints alone.

    Each keypoint adds its score as a blot of 3 % of the longer side (chosen).

    Args:
        keypoints_yx: float, [n, 2], pixels.
        scores: float, [n].
        height, width: of the image, pixels.

    Returns:
        float32, [height, width].
    """
    shrink = min(1.0, 256 / max(height, width))  # blots are smooth: a small map is enough
    small = np.zeros((max(1, round(height * shrink)), max(1, round(width * shrink))), np.float32)
    rows = np.clip(np.asarray(keypoints_yx).reshape(-1, 2) * shrink, 0,
                   (small.shape[0] - 1, small.shape[1] - 1)).astype(int)
    np.add.at(small, (rows[:, 0], rows[:, 1]), np.asarray(scores, np.float32))
    small = cv2.GaussianBlur(small, (0, 0), 0.03 * max(small.shape))
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def overlay_heat(image: np.ndarray, heat: np.ndarray, max_height: int, max_width: int) -> np.ndarray:
    """Image, greyed and shrunk to fit, under its heat: dark is low, bright yellow is high.

    The heat is stretched from the 5th to the 99th percentile of the image's own values.
    """
    picture, _ = fit(image, max_height, max_width)
    heat = cv2.resize(heat.astype(np.float32), picture.shape[1::-1], interpolation=cv2.INTER_AREA)
    low, high = np.percentile(heat, (5, 99))
    strength = np.clip((heat - low) / max(high - low, 1e-12), 0, 1)
    colours = cv2.applyColorMap(np.round(strength * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    grey = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return cv2.addWeighted(np.ascontiguousarray(colours), 0.6, grey, 0.4, 0)


def attention_overlay(image: np.ndarray, scores: np.ndarray,
                      receptive_field: tuple[int, int, int]) -> np.ndarray:
    """A picture with its attention scores as heat on top; each cell is drawn where it looks.

    Args:
        image: uint8, [H, W, 3], RGB.
        scores: float, [h, w], not negative.
        receptive_field: (size, stride, padding) of a cell in pixels.

    Returns:
        uint8, [H, W, 3], RGB; the highest score is bright yellow, zero black-blue.
    """
    size, stride, padding = receptive_field
    centre = (size - 1) / 2 - padding
    columns, rows = np.meshgrid((np.arange(image.shape[1]) - centre) / stride,
                                (np.arange(image.shape[0]) - centre) / stride)
    heat = cv2.remap(np.float32(scores), np.float32(columns), np.float32(rows), cv2.INTER_LINEAR,
                     borderMode=cv2.BORDER_REPLICATE)
    levels = np.uint8(np.round(255 * heat / max(float(heat.max()), 1e-12)))
    colours = cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    return cv2.addWeighted(image, 0.4, colours, 0.6, 0)


def encode_within(pictures: list[np.ndarray], max_bytes: int) -> list[str]:
    """The pictures as JPEG data URIs that take at most `max_bytes` characters together.

    Quality goes down first, then size; the last step is taken as it is.
    """
    uris: list[str] = []
    for quality, scale in _ENCODING_STEPS:
        shrunk = [fit(picture, round(picture.shape[0] * scale), round(picture.shape[1] * scale))[0]
                  for picture in pictures]
        uris = [jpeg_data_uri(picture, quality) for picture in shrunk]
        if sum(map(len, uris)) <= max_bytes:
            break
    return uris


def decode(example: Example) -> np.ndarray:
    """The pixels, uint8, [height, width, 3]; a crossed-out field where the image cannot be decoded."""
    try:
        return augment.decode_image(example.encoded).numpy()
    except tf.errors.InvalidArgumentError:
        return blank(max(example.height, 32), max(example.width, 32))
